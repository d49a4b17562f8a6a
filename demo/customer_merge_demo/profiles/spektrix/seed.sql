INSERT INTO spektrix.customers
    (customer_id, kind, title, first_name, last_name, organisation_name, email, birth_date, phone, mobile, access_needs, created_on)
VALUES
    ('I-1001', 'INDIVIDUAL', 'Ms', 'Rosalind', 'Achebe', NULL, 'rosalind@achebe.example', NULL, NULL, '+44 7700 900101', NULL,
     '2016-09-01'),
    ('I-1002', 'INDIVIDUAL', NULL, 'Roz', 'Achebe', NULL, 'roz.achebe@work.example', '1984-05-17', '+44 117 496 0101',
     '+44 7700 900199', 'step-free seat', '2021-03-12'),
    ('I-1003', 'INDIVIDUAL', 'Mr', 'Tunde', 'Achebe', NULL, 'tunde@achebe.example', NULL, NULL, NULL, NULL, '2018-01-30'),
    ('I-1010', 'INDIVIDUAL', 'Dr', 'Hana', 'Novak', NULL, 'hana@novak.example', NULL, NULL, NULL, NULL, '2015-02-02'),
    ('I-1011', 'INDIVIDUAL', NULL, 'Hana', 'Novak', NULL, NULL, '1971-11-30', NULL, NULL, NULL, '2022-02-02'),
    ('O-2001', 'ORGANISATION', NULL, NULL, NULL, 'Quayside School', 'office@quayside.example', NULL, '+44 117 496 0200', NULL, NULL,
     '2014-06-20'),
    ('O-2002', 'ORGANISATION', NULL, NULL, NULL, 'Quayside Primary School', NULL, NULL, NULL, NULL, NULL, '2019-09-09'),
    ('I-1020', 'INDIVIDUAL', NULL, 'Riverside', 'Players', NULL, 'hello@riversideplayers.example', '2000-01-01',
     '+44 117 496 0300', NULL, NULL, '2020-04-04'), -- a drama club, once entered as if it were a person
    ('O-2003', 'ORGANISATION', NULL, NULL, NULL, 'The Riverside Players', 'box@riversideplayers.example', NULL, NULL, NULL, NULL,
     '2012-10-10'),
    ('I-1021', 'INDIVIDUAL', NULL, 'Maud', 'Ferrier', NULL, 'maud@ferrier.example', NULL, NULL, NULL, NULL, '2012-10-10');

INSERT INTO spektrix.addresses (address_id, customer_id, street, town, postcode, is_postal)
VALUES (1, 'I-1001', '5 Cable Street', 'Bristol', 'BS1 1AA', true), (2, 'I-1002', '5 Cable Street', 'Bristol', 'BS1 1AA', true),
       (3, 'I-1002', 'Unit 9, Old Dock', 'Bristol', 'BS2 2BB', false), (4, 'I-1010', '2 Hill View', 'Bath', 'BA1 3CC', true),
       (5, 'O-2001', 'Quayside', 'Bristol', 'BS1 4DD', true);
ALTER TABLE spektrix.addresses ALTER address_id RESTART WITH 1000;

INSERT INTO spektrix.contact_preferences (preference_id, customer_id, purpose, agreed, evidence, recorded_at)
VALUES (1, 'I-1001', 'season brochure', true, 'booking of 2023', '2023-01-05'),
       (2, 'I-1002', 'season brochure', false, 'e-mail of 14 June', '2024-06-14'),
       (3, 'I-1002', 'text message', true, 'booking of 2024', '2024-02-02');
ALTER TABLE spektrix.contact_preferences ALTER preference_id RESTART WITH 1000;

INSERT INTO spektrix.tags (tag_id, customer_id, tag)
VALUES (1, 'I-1001', 'likes opera'), (2, 'I-1002', 'likes opera'), (3, 'I-1002', 'press list'), (4, 'I-1002', 'wrong number');
ALTER TABLE spektrix.tags ALTER tag_id RESTART WITH 1000;

INSERT INTO spektrix.notes (customer_id, body) VALUES ('I-1002', 'Lost a glove in row F'), ('I-1010', 'Prefers matinees');

INSERT INTO spektrix.relationships (relationship_id, customer_id, related_id, kind)
VALUES (1, 'I-1002', 'I-1003', 'partner'), (2, 'O-2003', 'I-1021', 'primary contact'), (3, 'I-1020', 'I-1021', 'primary contact');
ALTER TABLE spektrix.relationships ALTER relationship_id RESTART WITH 1000;

INSERT INTO spektrix.orders (order_no, customer_id, facilitator_id, event, total, placed_on)
VALUES (3001, 'I-1001', NULL, 'The Tempest', 48.00, '2023-01-05'), (3002, 'I-1001', NULL, 'Nabucco', 96.00, '2024-03-01'),
       (3003, 'I-1002', NULL, 'Nabucco', 64.00, '2024-02-02'), (3004, 'I-1002', NULL, 'Giselle', 52.50, '2024-11-21'),
       (3005, 'I-1003', 'I-1002', 'The Tempest', 24.00, '2023-01-06'), -- arranged by Roz for Tunde
       (3006, 'I-1010', NULL, 'Giselle', 26.25, '2024-11-22'), (3007, 'I-1011', NULL, 'The Tempest', 24.00, '2023-01-07'),
       (3008, 'O-2001', NULL, 'Schools matinee', 310.00, '2024-12-03'), (3009, 'O-2002', NULL, 'Schools matinee', 180.00, '2023-12-05'),
       (3010, 'I-1020', NULL, 'Hire of the studio', 150.00, '2024-05-05');
ALTER TABLE spektrix.orders ALTER order_no RESTART WITH 10000;

INSERT INTO spektrix.memberships (customer_id, scheme, valid_from, valid_until)
VALUES ('I-1001', 'Friends', '2016-09-01', '2017-08-31'), ('I-1002', 'Patrons', '2024-01-01', '2026-12-31');

INSERT INTO spektrix.gift_aid_declarations (customer_id, signed_on, covers_from)
VALUES ('I-1001', '2016-09-01', '2012-09-01'), ('I-1002', '2024-01-01', '2020-01-01');

INSERT INTO spektrix.credit_accounts VALUES ('I-1001', 1500), ('I-1002', 2250);
INSERT INTO spektrix.credit_movements (customer_id, pence, why)
VALUES ('I-1001', 1500, 'returned ticket'), ('I-1002', 3000, 'gift voucher'), ('I-1002', -750, 'paid with credit');

INSERT INTO spektrix.attributes (customer_id, name, value, is_protected)
VALUES ('I-1002', 'seat', 'aisle', false), ('I-1002', 'medical', 'carries an inhaler', true);
