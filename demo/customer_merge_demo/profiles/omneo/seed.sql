-- Made-up members of a loyalty programme: three profiles of one person, and a couple who share a phone.
INSERT INTO omneo.profiles
    (id, first_name, last_name, email, email_confirmed, mobile_phone, birth_date, tier, tags, joined_at,
     last_transaction_at)
VALUES
    ('0a000000-0000-4000-8000-000000000001', 'Noor', 'Haddad', 'noor.haddad@example.com', true, '+61491570006',
     '1990-07-14', 'SILVER', '{app}', '2022-03-01 00:00+00', '2025-01-20 02:00+00'),
    ('0a000000-0000-4000-8000-000000000002', 'Noor', 'Hadad', 'noor.hadad@exmaple.com', false, '+61491570006',
     NULL, 'GOLD', '{instore,vip}', '2019-10-10 00:00+00', '2023-12-24 03:00+00'),
    ('0a000000-0000-4000-8000-000000000003', 'N', 'Haddad', NULL, false, '+61491570006',
     '1990-07-14', 'BRONZE', '{}', '2018-05-05 00:00+00', '2019-01-01 00:00+00'),
    ('0a000000-0000-4000-8000-000000000004', 'Ravi', 'Menon', 'ravi.menon@example.com', true, '+61491570110',
     '1985-02-02', 'SILVER', '{app}', '2021-01-01 00:00+00', now() - interval '5 days'),
    ('0a000000-0000-4000-8000-000000000005', 'Anita', 'Menon', 'anita.menon@example.com', true, '+61491570110',
     '1986-09-19', 'BRONZE', '{}', '2021-01-01 00:00+00', now() - interval '9 days');

INSERT INTO omneo.identities (profile_id, handle, identifier) VALUES
    ('0a000000-0000-4000-8000-000000000001', 'webshop', 'W-7001'),
    ('0a000000-0000-4000-8000-000000000002', 'pos', 'P-3102'),
    ('0a000000-0000-4000-8000-000000000003', 'pos', 'P-0088'),
    ('0a000000-0000-4000-8000-000000000004', 'webshop', 'W-7100'),
    ('0a000000-0000-4000-8000-000000000005', 'webshop', 'W-7101');

INSERT INTO omneo.transactions (profile_id, receipt, total_cents, transacted_at) VALUES
    ('0a000000-0000-4000-8000-000000000001', 'R-1', 8900, '2025-01-20 02:00+00'),
    ('0a000000-0000-4000-8000-000000000002', 'R-2', 12500, '2023-11-11 02:00+00'),
    ('0a000000-0000-4000-8000-000000000002', 'R-3', 4300, '2023-12-24 03:00+00'),
    ('0a000000-0000-4000-8000-000000000003', 'R-4', 2000, '2019-01-01 00:00+00');

INSERT INTO omneo.point_entries (profile_id, points, reason) VALUES
    ('0a000000-0000-4000-8000-000000000001', 89, 'receipt R-1'),
    ('0a000000-0000-4000-8000-000000000002', 125, 'receipt R-2'),
    ('0a000000-0000-4000-8000-000000000002', 43, 'receipt R-3'),
    ('0a000000-0000-4000-8000-000000000002', -100, 'reward'),
    ('0a000000-0000-4000-8000-000000000003', 20, 'receipt R-4');
INSERT INTO omneo.point_balances (profile_id, available, lifetime)
    SELECT profile_id, sum(points), sum(points) FILTER (WHERE points > 0) FROM omneo.point_entries GROUP BY profile_id;

INSERT INTO omneo.tier_progress (profile_id, spend_cents, visits) VALUES
    ('0a000000-0000-4000-8000-000000000001', 8900, 1),
    ('0a000000-0000-4000-8000-000000000002', 16800, 2);

INSERT INTO omneo.rewards (profile_id, reward, value_cents, expires_at) VALUES
    ('0a000000-0000-4000-8000-000000000002', 'ten off', 1000, '2099-01-01 00:00+00'),
    ('0a000000-0000-4000-8000-000000000003', 'birthday', 500, '2099-01-01 00:00+00');

INSERT INTO omneo.benefits (profile_id, benefit, expires_at) VALUES
    ('0a000000-0000-4000-8000-000000000001', 'free delivery', '2027-01-01 00:00+00'),
    ('0a000000-0000-4000-8000-000000000002', 'free delivery', '2026-01-01 00:00+00'),
    ('0a000000-0000-4000-8000-000000000002', 'early access', '2026-01-01 00:00+00');

INSERT INTO omneo.consents (profile_id, channel, opted_in, evidence, decided_at) VALUES
    ('0a000000-0000-4000-8000-000000000001', 'email', true, 'web form', '2022-03-01 00:00+00'),
    ('0a000000-0000-4000-8000-000000000002', 'email', false, 'unsubscribe link', '2024-01-01 00:00+00');

INSERT INTO omneo_mailer.contacts SELECT id, id, 'newsletter' FROM omneo.profiles;
