-- What pruning looks for, and what SQLite looks up when it removes a job.
CREATE INDEX event_of_job ON event (job) WHERE job IS NOT NULL;
CREATE INDEX job_of_image ON job (image);
CREATE INDEX handled_request_at ON handled_request (at);
