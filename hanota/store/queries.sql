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

-- name: put_join_window
INSERT INTO join_window (device, until, seconds) VALUES (:device, :until, :seconds)
ON CONFLICT (device) DO UPDATE SET until = excluded.until, seconds = excluded.seconds;

-- name: remove_join_window
DELETE FROM join_window WHERE device = :device;

-- name: join_windows
SELECT device, until, seconds FROM join_window ORDER BY device;

-- name: put_leaving
INSERT INTO leaving (device, at) VALUES (:device, :at)
ON CONFLICT (device) DO UPDATE SET at = excluded.at;

-- name: remove_leaving
DELETE FROM leaving WHERE device = :device;

-- name: leaving
SELECT device, at FROM leaving ORDER BY device;

-- name: put_device_file
INSERT INTO device_file (device, manufacturer_code, image_type, file_version, data)
VALUES (:device, :manufacturer_code, :image_type, :file_version, :data)
ON CONFLICT (device, manufacturer_code, image_type, file_version) DO UPDATE SET data = excluded.data;

-- name: remove_device_files
DELETE FROM device_file WHERE device = :device;

-- name: device_files
SELECT device, data FROM device_file ORDER BY device, manufacturer_code, image_type, file_version;

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
       paused = :paused, failures = :failures, retry_at = :retry_at, abort_told = :abort_told,
       execution_at = :execution_at
WHERE id = :id RETURNING id;

-- name: jobs
SELECT id, request_id, kind, device, image, firmware_version, manufacturer_image_hash,
       state, created, updated, reason, priority, upgrade_at, needs_approval, allow_downgrade, expires_at,
       approved_at, paused, failures, retry_at, abort_told, execution_at
FROM job ORDER BY id;

-- name: jobs_of_device
SELECT id, request_id, kind, device, image, firmware_version, manufacturer_image_hash,
       state, created, updated, reason, priority, upgrade_at, needs_approval, allow_downgrade, expires_at,
       approved_at, paused, failures, retry_at, abort_told, execution_at
FROM job WHERE device = :device ORDER BY id;

-- name: counter
SELECT value FROM counter WHERE name = :name AND party = :party;

-- name: raise_counter
INSERT INTO counter (name, party, value) SELECT :name, :party, :value WHERE :value > 0
ON CONFLICT (name, party) DO UPDATE SET value = excluded.value WHERE excluded.value > counter.value
RETURNING value;

-- The DCC: handled_request, pre_command, command, outgoing.

-- name: add_handled_request
INSERT INTO handled_request (originator, counter, target, service_reference, command_variant, signer, digest,
                             at, answer)
VALUES (:originator, :counter, :target, :service_reference, :command_variant, :signer, :digest, :at, :answer);

-- name: handled_requests
SELECT originator, target, counter, service_reference, command_variant, signer, digest, at, answer
FROM handled_request WHERE originator = :originator AND counter = :counter;

-- name: add_pre_command
INSERT INTO pre_command (digest, request_id, at) VALUES (:digest, :request_id, :at)
ON CONFLICT (digest) DO NOTHING;

-- name: keep_pre_commands
DELETE FROM pre_command WHERE id <= (SELECT id FROM pre_command ORDER BY id DESC LIMIT 1 OFFSET :keep);

-- name: pre_command
SELECT 1 FROM pre_command WHERE digest = :digest;

-- name: remove_pre_command
DELETE FROM pre_command WHERE digest = :digest;

-- name: add_command
INSERT INTO command (request_id, service_reference, octets, state, expires_at)
VALUES (:request_id, :service_reference, :octets, :state, :expires_at)
RETURNING id;

-- name: update_command
UPDATE command SET state = :state, expires_at = :expires_at WHERE id = :id;

-- name: remove_command
DELETE FROM command WHERE id = :id;

-- name: commands
SELECT id, request_id, service_reference, octets, state, expires_at FROM command ORDER BY id;

-- name: add_outgoing
INSERT INTO outgoing (service_user, document, created, next_attempt)
VALUES (:service_user, :document, :at, :at)
RETURNING seq;

-- name: outgoing
SELECT seq, service_user, document, created, attempts, next_attempt
FROM outgoing WHERE service_user = :service_user ORDER BY seq LIMIT :limit;

-- name: outgoing_users
SELECT DISTINCT service_user FROM outgoing ORDER BY service_user;

-- name: outgoing_count
SELECT count(*) FROM outgoing;

-- name: outgoing_count_of_user
SELECT count(*) FROM outgoing WHERE service_user = :service_user;

-- name: remove_outgoing
DELETE FROM outgoing WHERE seq = :seq;

-- name: retry_outgoing
UPDATE outgoing SET attempts = :attempts, next_attempt = :next_attempt WHERE seq = :seq;

-- The inventory and the Central Products List: inventory, product.

-- name: inventory_device
SELECT device, device_type, status, manufacturer_code, model, hardware_version, firmware_version, gbcs_version,
       smets_chts_version, import_mpxn, commissioned
FROM inventory WHERE device = :device;

-- name: inventory_devices
SELECT device, device_type, status, manufacturer_code, model, hardware_version, firmware_version, gbcs_version,
       smets_chts_version, import_mpxn, commissioned
FROM inventory ORDER BY device;

-- name: inventory_count
SELECT count(*) FROM inventory;

-- name: put_inventory_device
INSERT INTO inventory (device, device_type, status, manufacturer_code, model, hardware_version,
                       firmware_version, gbcs_version, smets_chts_version, import_mpxn, commissioned)
VALUES (:device, :device_type, :status, :manufacturer_code, :model, :hardware_version,
        :firmware_version, :gbcs_version, :smets_chts_version, :import_mpxn, :commissioned)
ON CONFLICT (device) DO UPDATE SET device_type = excluded.device_type, status = excluded.status,
       manufacturer_code = excluded.manufacturer_code, model = excluded.model,
       hardware_version = excluded.hardware_version, firmware_version = excluded.firmware_version,
       gbcs_version = excluded.gbcs_version, smets_chts_version = excluded.smets_chts_version,
       import_mpxn = excluded.import_mpxn, commissioned = excluded.commissioned;

-- name: remove_inventory_device
DELETE FROM inventory WHERE device = :device;

-- name: products
SELECT manufacturer_image_hash, device_type, firmware_version, manufacturer_code, image_type, model,
       minimum_hardware_version, maximum_hardware_version, gbcs_version, status
FROM product ORDER BY device_type, manufacturer_code, image_type, model, firmware_version;

-- name: put_product
INSERT INTO product (device_type, manufacturer_code, image_type, model, firmware_version,
                     manufacturer_image_hash, minimum_hardware_version, maximum_hardware_version,
                     gbcs_version, status)
VALUES (:device_type, :manufacturer_code, :image_type, :model, :firmware_version,
        :manufacturer_image_hash, :minimum_hardware_version, :maximum_hardware_version,
        :gbcs_version, :status)
ON CONFLICT (device_type, manufacturer_code, image_type, model, firmware_version)
DO UPDATE SET manufacturer_image_hash = excluded.manufacturer_image_hash,
       minimum_hardware_version = excluded.minimum_hardware_version,
       maximum_hardware_version = excluded.maximum_hardware_version,
       gbcs_version = excluded.gbcs_version, status = excluded.status;

-- name: remove_product
DELETE FROM product
WHERE device_type = :device_type AND manufacturer_code = :manufacturer_code AND image_type = :image_type
      AND model = :model AND firmware_version = :firmware_version;

-- Pruning: of event, job, image and library, handled_request what is old.

-- name: oldest_events
SELECT seq, at FROM event ORDER BY seq LIMIT :limit;

-- name: first_event_until
SELECT at FROM (SELECT at FROM event ORDER BY seq LIMIT :scanned) WHERE at <= :now LIMIT 1;

-- name: remove_events
DELETE FROM event WHERE seq <= :seq;

-- name: remove_old_jobs
DELETE FROM job WHERE id IN (
    SELECT id FROM job AS old
    WHERE updated < :before AND state IN (SELECT value FROM json_each(:ended))
      AND EXISTS (SELECT 1 FROM job AS newer WHERE newer.device = old.device AND newer.id > old.id)
      AND NOT EXISTS (SELECT 1 FROM event WHERE event.job = old.id)
    ORDER BY id LIMIT :limit)
RETURNING id;

-- name: remove_retired_images
DELETE FROM library WHERE digest IN (
    SELECT digest FROM library AS old
    WHERE retired < :before AND NOT EXISTS (SELECT 1 FROM job WHERE job.image = old.digest)
    LIMIT :limit);

-- name: remove_unused_images
DELETE FROM image WHERE digest IN (
    SELECT digest FROM image AS unused
    WHERE NOT EXISTS (SELECT 1 FROM library WHERE library.digest = unused.digest)
      AND NOT EXISTS (SELECT 1 FROM job WHERE job.image = unused.digest)
    LIMIT :limit)
RETURNING digest;

-- name: open_requests
SELECT request_id FROM job WHERE state NOT IN (SELECT value FROM json_each(:ended))
UNION SELECT request_id FROM command
UNION SELECT request_id FROM pre_command;

-- name: remove_old_requests
DELETE FROM handled_request WHERE (originator, counter, target, service_reference, command_variant) IN (
    SELECT originator, counter, target, service_reference, command_variant FROM handled_request AS old
    WHERE at < :before
      AND counter < (SELECT max(counter) FROM handled_request WHERE originator = old.originator)
      AND hex(originator) || hex(target) || counter NOT IN (SELECT value FROM json_each(:open))
    ORDER BY at LIMIT :limit)
RETURNING counter;

-- The audit trail: audit.

-- name: add_audit
INSERT INTO audit (seq, at, actor, role, action, target, outcome, previous, hash)
VALUES (:seq, :at, :actor, :role, :action, :target, :outcome, :previous, :hash);

-- name: last_audit
SELECT seq, at, actor, role, action, target, outcome, previous, hash FROM audit ORDER BY seq DESC LIMIT 1;

-- name: audit
SELECT seq, at, actor, role, action, target, outcome, previous, hash
FROM audit WHERE seq > :after ORDER BY seq LIMIT :limit;
