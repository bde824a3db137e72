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

-- name: put_link_key
INSERT INTO link_key (device, coordinator, suite, fingerprint, at)
VALUES (:device, :coordinator, :suite, :fingerprint, :at)
ON CONFLICT (device) DO UPDATE SET coordinator = excluded.coordinator, suite = excluded.suite,
       fingerprint = excluded.fingerprint, at = excluded.at;

-- name: remove_link_key
DELETE FROM link_key WHERE device = :device;

-- name: link_keys
SELECT device, coordinator, suite, fingerprint, at FROM link_key ORDER BY device;

-- name: put_image
INSERT INTO image (digest, data) VALUES (:digest, :data)
ON CONFLICT (digest) DO UPDATE SET data = excluded.data WHERE length(image.data) = 0;

-- name: image
SELECT data FROM image WHERE digest = :digest;

-- name: free_image
UPDATE image SET data = x'' WHERE digest = :digest;

-- name: put_library_image
INSERT INTO library (digest, kind, manufacturer_code, image_type, file_version, minimum_hardware_version,
                     maximum_hardware_version, manufacturer_image_hash, octets, signature, added, retired)
VALUES (:digest, :kind, :manufacturer_code, :image_type, :file_version, :minimum_hardware_version,
        :maximum_hardware_version, :manufacturer_image_hash, :octets, :signature, :added, :retired)
ON CONFLICT (digest) DO UPDATE SET signature = excluded.signature, added = excluded.added,
       retired = excluded.retired;

-- name: library_images
SELECT digest, kind, manufacturer_code, image_type, file_version, minimum_hardware_version,
       maximum_hardware_version, manufacturer_image_hash, octets, signature, added, retired
FROM library ORDER BY added, digest;

-- name: put_block_size
INSERT INTO block_size (manufacturer_code, image_type, hardware_version, octets, at)
VALUES (:manufacturer_code, :image_type, :hardware_version, :octets, :at)
ON CONFLICT (manufacturer_code, image_type, hardware_version)
DO UPDATE SET octets = excluded.octets, at = excluded.at;

-- name: block_sizes
SELECT manufacturer_code, image_type, hardware_version, octets FROM block_size ORDER BY at;

-- name: add_job
INSERT INTO job (request_id, kind, device, image, firmware_version, manufacturer_image_hash,
                 state, created, updated, reason,
                 priority, upgrade_at, needs_approval, allow_downgrade, expires_at)
VALUES (:request_id, :kind, :device, :image, :firmware_version, :manufacturer_image_hash,
        :state, :at, :at, '',
        :priority, :upgrade_at, :needs_approval, :allow_downgrade, :expires_at)
RETURNING id;

-- name: update_job
UPDATE job SET state = :state, reason = :reason, updated = :updated, approved_at = :approved_at,
       paused = :paused, failures = :failures, retry_at = :retry_at, abort_told = :abort_told
WHERE id = :id RETURNING id;

-- name: jobs
SELECT id, request_id, kind, device, image, firmware_version, manufacturer_image_hash,
       state, created, updated, reason, priority, upgrade_at, needs_approval, allow_downgrade, expires_at,
       approved_at, paused, failures, retry_at, abort_told
FROM job ORDER BY id;

-- name: jobs_of_device
SELECT id, request_id, kind, device, image, firmware_version, manufacturer_image_hash,
       state, created, updated, reason, priority, upgrade_at, needs_approval, allow_downgrade, expires_at,
       approved_at, paused, failures, retry_at, abort_told
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
