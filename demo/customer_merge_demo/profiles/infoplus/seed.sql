INSERT INTO infoplus.lines_of_business VALUES (10, 'Kitchen supply'), (20, 'Garden supply');

INSERT INTO infoplus.customers
    (lob_id, customer_no, company_name, contact_name, email, phone, bill_street, bill_city, bill_zip, payment_terms,
     credit_limit, customer_since, sales_note, billed_through)
VALUES
    (10, 4100, 'Blue Heron Bistro', 'Dana Okafor', 'dana@blueheron.example', NULL, '12 Quay Street', 'Port Ellis', '04101',
     'NET30', 5000, '2019-03-11', 'prefers calls before ten', NULL),
    (10, 4178, 'Blue Heron Bistro Inc', 'D. Okafor', 'orders@blueheron.example', '+1 207 555 0142', '12 Quay St', 'Port Ellis',
     '04101', 'PREPAID', 800, '2021-08-02', NULL, NULL),
    (10, 4233, 'BLUE HERON', 'Dana Okafor', NULL, '+1 207 555 0142', '90 Harbor Road', 'Port Ellis', '04102', 'NET15', 0,
     '2023-01-19', 'second kitchen', NULL),
    (10, 4240, 'Blue Heron Catering', 'Ruth Amadi', 'ruth@blueheron.example', NULL, '7 Mill Lane', 'Saltmarsh', '04109',
     'NET30', 1500, '2023-05-30', NULL, 4178),
    (10, 5001, 'Copper Kettle Tea Rooms', 'Lin Haywood', 'lin@copperkettle.example', NULL, '3 Fell Road', 'Ashby', '05501',
     'NET30', 900, '2018-06-01', NULL, NULL),
    (10, 5002, 'Copper Kettle Tea Rms', 'Lin Haywood', 'lin@copperkettle.example', '+1 207 555 0190', '3 Fell Road', 'Ashby',
     '05501', 'NET30', 400, '2022-02-14', NULL, NULL),
    (10, 5003, 'Copper Kettle Exports', 'Lin Haywood', 'export@copperkettle.example', NULL, '3 Fell Road', 'Ashby', '05501',
     'NET30', 400, '2022-02-14', NULL, NULL),
    (20, 4100, 'Blue Heron Gardens', 'Otto Lindqvist', 'otto@heron-gardens.example', NULL, '1 Fern Walk', 'Ashby', '05502',
     'NET30', 700, '2020-10-10', NULL, NULL);

UPDATE infoplus.customers SET currency = 'CAD' WHERE (lob_id, customer_no) = (10, 5003);

INSERT INTO infoplus.ship_to_addresses (address_id, lob_id, customer_no, address_key, attention, street, city, zip, is_default)
VALUES
    (1, 10, 4100, '12quaystreet04101', 'back door', '12 Quay Street', 'Port Ellis', '04101', true),
    (2, 10, 4178, '12quaystreet04101', NULL, '12 Quay St', 'Port Ellis', '04101', true),
    (3, 10, 4178, '7milllane04109', 'catering', '7 Mill Lane', 'Saltmarsh', '04109', false),
    (4, 10, 4233, '90harborroad04102', 'second kitchen', '90 Harbor Road', 'Port Ellis', '04102', true),
    (5, 10, 5001, '3fellroad05501', NULL, '3 Fell Road', 'Ashby', '05501', true),
    (6, 10, 5002, '40stationyard05501', 'store room', '40 Station Yard', 'Ashby', '05501', true),
    (7, 20, 4100, '1fernwalk05502', NULL, '1 Fern Walk', 'Ashby', '05502', true);
ALTER TABLE infoplus.ship_to_addresses ALTER address_id RESTART WITH 1000;

INSERT INTO infoplus.orders (order_no, lob_id, bill_to_no, ship_to_no, ship_to, status, total, ordered_on)
VALUES
    (70001, 10, 4100, 4100, 1, 'SHIPPED', 412.50, '2025-01-08'),
    (70002, 10, 4100, 4100, 1, 'PENDING', 88.00, '2025-02-20'),
    (70003, 10, 4178, 4178, 2, 'SHIPPED', 129.90, '2024-11-30'),
    (70004, 10, 4178, 4178, 3, 'ON ORDER', 260.00, '2025-02-27'),
    (70005, 10, 4100, 4233, 4, 'SHIPPED', 75.25, '2025-01-15'), -- shipped to one record, billed to the other
    (70006, 10, 4233, 4233, 4, 'PROCESSED', 199.00, '2025-02-03'),
    (70007, 10, 4178, 4240, 3, 'SHIPPED', 640.00, '2025-01-22'),
    (70008, 10, 5001, 5001, 5, 'SHIPPED', 51.00, '2024-12-12'),
    (70009, 10, 5002, 5002, 6, 'PENDING', 33.00, '2025-03-01'),
    (70010, 20, 4100, 4100, 7, 'SHIPPED', 18.00, '2025-01-30');

INSERT INTO infoplus.order_lines (order_no, line_no, sku, quantity)
VALUES (70001, 1, 'WHISK-L', 6), (70001, 2, 'PAN-28', 2), (70003, 1, 'PAN-28', 1), (70004, 1, 'LADLE', 12),
       (70006, 1, 'WHISK-L', 4), (70009, 1, 'CUP-12', 24);

INSERT INTO infoplus.invoices (invoice_no, lob_id, bill_to_no, order_no, amount, paid)
VALUES (9001, 10, 4100, 70001, 412.50, true), (9002, 10, 4178, 70003, 129.90, true), (9003, 10, 4178, 70007, 640.00, false),
       (9004, 10, 5002, NULL, 33.00, false);

INSERT INTO infoplus.price_agreements (lob_id, customer_no, sku, unit_price, agreed_on)
VALUES (10, 4100, 'PAN-28', 24.50, '2023-04-01'), (10, 4178, 'PAN-28', 22.90, '2024-09-01'),
       (10, 4233, 'WHISK-L', 7.10, '2024-02-01');

INSERT INTO infoplus.catalogue_subscriptions (lob_id, customer_no, catalogue, wanted, asked_how, since)
VALUES (10, 4100, 'SPRING', true, 'web form', '2022-01-05'), (10, 4178, 'SPRING', true, 'trade fair', '2023-09-14'),
       (10, 4233, 'SPRING', true, 'telephone', '2024-01-02'), (10, 4233, 'AUTUMN', true, 'telephone', '2024-01-02'),
       (10, 5001, 'SPRING', true, 'web form', '2021-05-05'), (10, 5002, 'SPRING', false, 'unsubscribed by e-mail', '2024-06-06'),
       (10, 4240, 'SPRING', true, 'web form', '2023-06-01'), (20, 4100, 'SPRING', true, 'web form', '2020-11-01');

INSERT INTO infoplus.attachments (lob_id, owner_kind, owner_no, file_name)
VALUES (10, 'customer', 4178, 'tax-exemption.pdf'), (10, 'customer', 4233, 'second-kitchen.jpg'),
       (10, 'item', 4178, 'pan-28.jpg'), (10, 'order', 4233, 'packing-list.pdf'), (20, 'customer', 4100, 'garden-plan.pdf');
