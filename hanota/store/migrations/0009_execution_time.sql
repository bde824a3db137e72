-- When a device executes the future dated Activate Firmware (CS06) of its job.
ALTER TABLE job ADD COLUMN execution_at REAL;
