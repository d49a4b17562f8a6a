INSERT INTO agent_console.customers
    (customer_id, display_name, email, phone, company, city, language, vip, referred_by, first_seen, last_seen)
VALUES
    ('11111111-0000-4000-8000-000000000001', 'Marta Keller', 'marta.keller@post.example', NULL, 'Keller Bikes', 'Basel', 'de',
     false, NULL, '2022-04-02', '2025-02-11'),
    ('11111111-0000-4000-8000-000000000002', 'marta k.', 'mk@kellerbikes.example', '+41 61 555 01 01', 'Keller Velos GmbH', NULL,
     'en', true, NULL, '2024-09-19', '2025-03-01'),
    ('11111111-0000-4000-8000-000000000003', 'Jonas Frei', 'jonas.frei@post.example', NULL, NULL, 'Bern', 'de', false,
     '11111111-0000-4000-8000-000000000002', '2024-10-01', '2025-01-09'),
    ('22222222-0000-4000-8000-000000000001', 'Ifeoma Adeyemi', 'ifeoma@adeyemi.example', '+44 117 555 0110', NULL, 'Bristol', 'en',
     false, NULL, '2021-01-20', '2024-12-24'),
    ('22222222-0000-4000-8000-000000000002', 'Ife Adeyemi', 'ife@workmail.example', '+44 117 555 0199', 'Harbour Radio', 'Bristol',
     'en', false, NULL, '2023-07-07', '2025-02-02'),
    ('33333333-0000-4000-8000-000000000001', 'Spam Sender', 'win@prizes.example', NULL, NULL, NULL, 'en', false, NULL,
     '2025-01-01', '2025-01-02');
UPDATE agent_console.customers SET state = 'blocked' WHERE customer_id = '33333333-0000-4000-8000-000000000001';

INSERT INTO agent_console.handles (customer_id, channel, address)
VALUES ('11111111-0000-4000-8000-000000000001', 'email', 'marta.keller@post.example'),
       ('11111111-0000-4000-8000-000000000002', 'email', 'mk@kellerbikes.example'),
       ('11111111-0000-4000-8000-000000000002', 'chat', 'marta-k'),
       ('11111111-0000-4000-8000-000000000003', 'email', 'jonas.frei@post.example'),
       ('22222222-0000-4000-8000-000000000001', 'email', 'ifeoma@adeyemi.example'),
       ('22222222-0000-4000-8000-000000000002', 'email', 'ife@workmail.example');

INSERT INTO agent_console.cases (case_no, customer_id, subject, status, opened_at, closed_at)
VALUES (501, '11111111-0000-4000-8000-000000000001', 'Chain set arrived bent', 'closed', '2023-05-02 09:00Z', '2023-05-04 16:00Z'),
       (502, '11111111-0000-4000-8000-000000000001', 'Invoice for March', 'closed', '2024-04-08 10:00Z', '2024-04-08 11:00Z'),
       (731, '11111111-0000-4000-8000-000000000002', 'Where is my parcel?', 'open', '2025-02-26 08:30Z', NULL),
       (732, '11111111-0000-4000-8000-000000000002', 'Wrong address on account', 'waiting', '2025-02-27 14:10Z', NULL),
       (740, '11111111-0000-4000-8000-000000000003', 'Brake pads', 'open', '2025-01-09 12:00Z', NULL),
       (801, '22222222-0000-4000-8000-000000000001', 'Password reset', 'closed', '2024-12-24 18:00Z', '2024-12-24 18:20Z'),
       (802, '22222222-0000-4000-8000-000000000002', 'Cannot sign in', 'open', '2025-02-02 07:45Z', NULL);
ALTER TABLE agent_console.cases ALTER case_no RESTART WITH 1000;

INSERT INTO agent_console.inbox_rows (case_no, customer_id, customer_name, preview, received_at)
VALUES (501, '11111111-0000-4000-8000-000000000001', 'Marta Keller', 'The chain set you sent is bent', '2023-05-02 09:00Z'),
       (502, '11111111-0000-4000-8000-000000000001', 'Marta Keller', 'May I have the invoice for March', '2024-04-08 10:00Z'),
       (731, '11111111-0000-4000-8000-000000000002', 'marta k.', 'hi, my parcel is still not here', '2025-02-26 08:30Z'),
       (731, '11111111-0000-4000-8000-000000000002', 'marta k.', 'any news?', '2025-02-28 08:31Z'),
       (732, '11111111-0000-4000-8000-000000000002', 'marta k.', 'my account has the old street', '2025-02-27 14:10Z'),
       (740, '11111111-0000-4000-8000-000000000003', 'Jonas Frei', 'Which pads fit the M6?', '2025-01-09 12:00Z'),
       (801, '22222222-0000-4000-8000-000000000001', 'Ifeoma Adeyemi', 'Please reset my password', '2024-12-24 18:00Z'),
       (802, '22222222-0000-4000-8000-000000000002', 'Ife Adeyemi', 'I cannot sign in since Monday', '2025-02-02 07:45Z');

INSERT INTO agent_console.messages (case_no, author_kind, author_id, body, written_at)
VALUES (501, 'customer', '11111111-0000-4000-8000-000000000001', 'The chain set you sent is bent.', '2023-05-02 09:00Z'),
       (501, 'agent', 'aaaaaaaa-0000-4000-8000-000000000001', 'We send another one today.', '2023-05-02 09:30Z'),
       (731, 'customer', '11111111-0000-4000-8000-000000000002', 'hi, my parcel is still not here', '2025-02-26 08:30Z'),
       (731, 'customer', '11111111-0000-4000-8000-000000000002', 'any news?', '2025-02-28 08:31Z'),
       (732, 'customer', '11111111-0000-4000-8000-000000000002', 'my account has the old street', '2025-02-27 14:10Z'),
       (802, 'customer', '22222222-0000-4000-8000-000000000002', 'I cannot sign in since Monday', '2025-02-02 07:45Z');

INSERT INTO agent_console.followers (case_no, customer_id)
VALUES (740, '11111111-0000-4000-8000-000000000001'), (740, '11111111-0000-4000-8000-000000000002'),
       (731, '11111111-0000-4000-8000-000000000003');

INSERT INTO agent_console.custom_fields (customer_id, name, value, set_at)
VALUES ('11111111-0000-4000-8000-000000000001', 'frame size', '54', '2022-04-02'),
       ('11111111-0000-4000-8000-000000000002', 'frame size', '56', '2025-01-15'),
       ('11111111-0000-4000-8000-000000000002', 'club', 'RV Rhein', '2024-09-19');

INSERT INTO agent_console.contact_permissions (customer_id, channel, allowed, recorded_in, recorded_at)
VALUES ('11111111-0000-4000-8000-000000000001', 'newsletter', true, 'form of 2022', '2022-04-02'),
       ('11111111-0000-4000-8000-000000000002', 'newsletter', false, 'case 731', '2025-02-28'),
       ('11111111-0000-4000-8000-000000000002', 'text message', true, 'form of 2024', '2024-09-19');
