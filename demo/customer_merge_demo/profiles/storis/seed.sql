-- Made-up customers of one company, "default": three records of one person, and two that only look alike.
INSERT INTO storis.company_settings (company) VALUES ('default');

INSERT INTO storis.customers
    (company, customer_no, last_name, first_name, email, email_set_on, ssn, birth_date, address_1, city, zip,
     price_level, first_sale_on, last_sale_at, comments)
OVERRIDING SYSTEM VALUE VALUES
    ('default', 100101, 'Abernathy', 'June', 'june.abernathy@example.com', '2024-05-02 10:00+00', '900-41-0001',
     '1971-03-09', '12 Harbor Road', 'Millbrook', '12545', 'RETAIL', '2009-06-01', '2025-02-11 15:00+00',
     'prefers Saturday delivery'),
    ('default', 100205, 'Abernathy', 'J', NULL, NULL, '900-41-0001',
     NULL, '12 Harbor Rd', 'Millbrook', '12545', 'TRADE', '2004-01-20', '2019-08-30 12:00+00', 'oak dining set'),
    ('default', 100388, 'Abernathie', 'June', 'j.abernathy@example.org', '2016-01-01 09:00+00', NULL,
     '1971-03-09', '3 Mill Lane', 'Millbrook', '12545', 'RETAIL', '2016-01-01', '2018-02-02 12:00+00', NULL),
    ('default', 100412, 'Okafor', 'Daniel', 'daniel.okafor@example.com', '2023-01-01 09:00+00', '900-41-0002',
     '1980-11-30', '7 Quarry Street', 'Hudson', '12534', 'RETAIL', '2018-07-07', '2025-01-04 12:00+00', NULL),
    ('default', 100413, 'Okafor', 'Daniel', 'd.okafor@example.com', '2022-01-01 09:00+00', '900-41-0003',
     '2003-04-18', '7 Quarry Street', 'Hudson', '12534', 'EMPLOYEE', '2022-07-07', '2025-01-04 12:00+00', NULL);

INSERT INTO storis.customer_phones (company, customer_no, kind, phone, digits, main) VALUES
    ('default', 100101, 'CELL', '(845) 555-0141', '8455550141', true),
    ('default', 100205, 'HOME', '845-555-0141', '8455550141', true),
    ('default', 100205, 'WORK', '845-555-0199', '8455550199', false),
    ('default', 100388, 'HOME', '845.555.0177', '8455550177', true),
    ('default', 100412, 'CELL', '518-555-0102', '5185550102', true),
    ('default', 100413, 'CELL', '518-555-0103', '5185550103', true);

INSERT INTO storis.ship_to_addresses (company, customer_no, street, city, zip) VALUES
    ('default', 100101, '12 Harbor Road', 'Millbrook', '12545'),
    ('default', 100205, '40 Lake View', 'Amenia', '12501'),
    ('default', 100388, '3 Mill Lane', 'Millbrook', '12545');

INSERT INTO storis.contact_permissions (company, customer_no, channel, allowed, given_how, given_at) VALUES
    ('default', 100101, 'EMAIL', true, 'at the till', '2024-05-02 10:00+00'),
    ('default', 100205, 'EMAIL', false, 'wrote to the store', '2019-09-01 10:00+00'),
    ('default', 100205, 'SMS', true, 'at the till', '2018-04-04 10:00+00');

INSERT INTO storis.sales_orders (company, sold_to, bill_to, status, total, written_on) VALUES
    ('default', 100101, 100101, 'OPEN', 1899.00, '2025-02-11'),
    ('default', 100205, 100205, 'COMPLETED', 2450.00, '2004-01-20'),
    ('default', 100205, 100101, 'COMPLETED', 310.00, '2019-08-30'),
    ('default', 100388, 100388, 'COMPLETED', 89.90, '2018-02-02'),
    ('default', 100412, 100412, 'COMPLETED', 1200.00, '2025-01-04'),
    ('default', 100413, 100412, 'COMPLETED', 640.00, '2025-01-04');

INSERT INTO storis.ar_entries (company, customer_no, amount_cents, posted_at) VALUES
    ('default', 100101, 189900, '2025-02-11 15:00+00'),
    ('default', 100205, 31000, '2019-08-30 12:00+00'),
    ('default', 100205, -31000, '2019-09-30 12:00+00'),
    ('default', 100388, 8990, '2018-02-02 12:00+00');
INSERT INTO storis.ar_balances (company, customer_no, balance_cents)
    SELECT company, customer_no, sum(amount_cents) FROM storis.ar_entries GROUP BY company, customer_no;

INSERT INTO storis.finance_accounts (company, customer_no, finance_company, account_no) VALUES
    ('default', 100101, 'Northbank', '5500-1'),
    ('default', 100205, 'Northbank', '5500-1'),
    ('default', 100388, 'Elm Credit', '77-204');

-- Customer numbers of new records go on from here.
ALTER TABLE storis.customers ALTER COLUMN customer_no RESTART WITH 200001;
