-- name: append_event
INSERT INTO event (at, kind, source, target, device, job, detail)
VALUES (:at, :kind, :source, :target, :device, :job, :detail)
RETURNING seq;

-- name: events
SELECT seq, at, kind, source, target, device, job, detail
FROM event WHERE seq > :after ORDER BY seq LIMIT :limit;

-- name: put_device
INSERT INTO device (device, device_type, install_code) VALUES (:device, :device_type, :install_code)
ON CONFLICT (device) DO UPDATE SET device_type = excluded.device_type, install_code = excluded.install_code;

-- name: remove_device
DELETE FROM device WHERE device = :device;

-- name: devices
SELECT device, device_type, install_code FROM device ORDER BY device;

-- name: put_image
INSERT INTO image (digest, data) VALUES (:digest, :data) ON CONFLICT (digest) DO NOTHING;

-- name: image
SELECT data FROM image WHERE digest = :digest;

-- name: add_job
INSERT INTO job (request_id, kind, device, image, firmware_version, manufacturer_image_hash,
                 state, created, updated, reason)
VALUES (:request_id, :kind, :device, :image, :firmware_version, :manufacturer_image_hash,
        :state, :at, :at, '')
RETURNING id;

-- name: update_job
UPDATE job SET state = :state, reason = :reason, updated = :updated WHERE id = :id RETURNING id;

-- name: jobs
SELECT id, request_id, kind, device, image, firmware_version, manufacturer_image_hash,
       state, created, updated, reason
FROM job ORDER BY id;

-- name: jobs_of_device
SELECT id, request_id, kind, device, image, firmware_version, manufacturer_image_hash,
       state, created, updated, reason
FROM job WHERE device = :device ORDER BY id;

-- name: counter
SELECT value FROM counter WHERE name = :name AND party = :party;

-- name: raise_counter
INSERT INTO counter (name, party, value) SELECT :name, :party, :value WHERE :value > 0
ON CONFLICT (name, party) DO UPDATE SET value = excluded.value WHERE excluded.value > counter.value
RETURNING value;

-- name: add_service_request
INSERT INTO service_request (request_id, service_reference, at) VALUES (:request_id, :service_reference, :at)
ON CONFLICT (request_id, service_reference) DO NOTHING
RETURNING request_id;
