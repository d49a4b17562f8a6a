"""Names, numbers, dates and addresses as people of many countries write them."""

# ruff: noqa: RUF001 - letters of other scripts that look like Latin ones are what this file is about

import pytest

from customer_identity.normalise import normalise
from customer_identity.normalise.addresses import parse_city, parse_country, parse_postcode, parse_street
from customer_identity.normalise.contacts import parse_email, parse_phone
from customer_identity.normalise.dates import parse_date
from customer_identity.normalise.names import parse_name, without_particles
from customer_identity.normalise.nicknames import nickname_roots
from customer_identity.normalise.text import fold, looks_like_another
from customer_identity.records import CustomerRecord


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("Чайковский", "chaikovskii"),
        ("Γιάννης", "giannis"),
        ("محمد", "mhmd"),
        ("أحمد", "ahmd"),
        ("עדי", "ady"),
        ("ヤマダ タロウ", "yamada taro"),
        ("やまだ", "yamada"),
        ("ﾔﾏﾀﾞ", "yamada"),
        ("キョウコ", "kyoko"),
        ("シュウジ", "shuji"),
        ("김철수", "gimcheolsu"),
        ("Nguyễn Văn An", "nguyen van an"),
        ("İbrahim Yıldız", "ibrahim yildiz"),
        ("٠٩٨", "098"),
        ("\u202eAnna\u202c", "anna"),
        ("\u200fאנה", "anh"),
        ("山田", "山田"),
        ("x@пример.рф", "x@primer.rf"),
    ],
)
def test_other_scripts_are_read_in_latin_letters_where_their_reading_is_known(written: str, folded: str) -> None:
    assert fold(written) == folded


@pytest.mark.parametrize(
    "written", ["Αnna", "аnna", "Ann\u2060a", "\u202eanna", "Ａnna", "𝐀nna", "anna@ехample.com", "1\u200b23"]
)
def test_every_kind_of_look_alike_is_noticed_wherever_it_stands(written: str) -> None:
    assert looks_like_another(written)
    for column in ("full_name", "given_name", "middle_name", "family_name", "email", "phone"):
        record = normalise(CustomerRecord(tenant_id="t", customer_id="1", **{column: written}))  # type: ignore[arg-type]
        assert record.look_alike, column


@pytest.mark.parametrize(
    ("columns", "given", "family"),
    [
        (("", "", "", "山田 太郎"), "太郎", "山田"),
        (("", "", "", "山田\u3000太郎様"), "太郎", "山田"),
        (("", "", "", "山田太郎"), "太郎", "山田"),
        (("太郎", "", "山田", ""), "太郎", "山田"),
        (("", "", "", "ヤマダ タロウ"), "taro", "yamada"),
        (("", "", "", "ジョン・スミス"), "jon", "sumisu"),
        (("", "", "", "王小明"), "小明", "王"),
        (("", "", "", "김철수"), "cheolsu", "kim"),
        (("", "", "", "김 철수씨"), "cheolsu", "kim"),
        (("", "", "", "Conan O'Brien"), "conan", "obrien"),
        (("", "", "", "Conan O\u2019Brien"), "conan", "obrien"),
        (("", "", "", "Conan O Brien"), "conan", "obrien"),
        (("Conan", "", "O Brien", ""), "conan", "obrien"),
        (("", "", "", "John O Smith"), "john", "smith"),
        (("", "", "", "Sean Mc Donald"), "sean", "mcdonald"),
        (("Ludwig", "", "van Beethoven", ""), "ludwig", "vanbeethoven"),
        (("", "", "", "Beethoven, Ludwig van"), "ludwig", "vanbeethoven"),
        (("", "", "", "Ana de la Cruz"), "ana", "delacruz"),
        (("María José", "", "García López", ""), "maria", "garcia lopez"),
        (("Hasan", "", "al-Bannā", ""), "hasan", "albanna"),
        (("", "", "", "Dr. med. Hans Müller"), "hans", "muller"),
        (("", "", "", "Sr. Pedro Ruiz"), "pedro", "ruiz"),
        (("", "", "", "Jill St. John"), "jill", "stjohn"),
        (("Jill", "", "Saint John", ""), "jill", "stjohn"),
        (("Anna", "", "Bishop", ""), "anna", "bishop"),
        (("", "", "", "Bishop Desmond Tutu"), "desmond", "tutu"),
        (("", "", "", "Anna 😀 Smith"), "anna", "smith"),
        (("😀", "", "Smith", ""), "", "smith"),
        (("Van", "", "Morrison", ""), "van", "morrison"),
    ],
)  # fmt: skip
def test_names_are_split_as_their_languages_order_them(
    columns: tuple[str, str, str, str], given: str, family: str
) -> None:
    name = parse_name(*columns)
    assert (name.given, name.family) == (given, family)
    assert not name.several


@pytest.mark.parametrize(
    "columns",
    [
        ("", "", "", "Mr & Mrs Smith"),
        ("", "", "", "Anna and John Smith"),
        ("Anna & John", "", "Smith", ""),
        ("Anna/John", "", "Smith", ""),
        ("", "", "", "The Smith Family"),
        ("", "", "", "Familie Smith"),
    ],
)
def test_the_name_of_several_people_has_no_given_name(columns: tuple[str, str, str, str]) -> None:
    name = parse_name(*columns)
    assert (name.given, name.family, name.several) == ("", "smith", True)


@pytest.mark.parametrize("family", ["Ortega y Gasset", "Costa e Silva", "Anderson", "Sand"])
def test_double_family_names_are_one_persons(family: str) -> None:
    assert not parse_name("Ana", "", family, "").several


@pytest.mark.parametrize(
    ("one", "other"),
    [("محمد", "Muhammad"), ("حسين", "Hussein"), ("فاطمة", "Fatima"), ("Дмитрий", "Dmitry"), ("Пётр", "Pyotr")],
)
def test_frequent_names_share_a_root_across_scripts(one: str, other: str) -> None:
    assert set(nickname_roots(fold(one))) & set(nickname_roots(fold(other)))


def test_what_stands_before_a_family_name_can_be_left_out() -> None:
    assert without_particles("vonbeethoven") == "beethoven"
    assert without_particles("delacruz") == "cruz"
    assert without_particles("smith") == "smith"
    assert without_particles("vance") == "vance", "nothing of a name would be left"


@pytest.mark.parametrize(
    ("written", "region", "strict"),
    [
        ("0049 30 901820", "", "+4930901820"),
        ("+49 (0)30 901820", "", "+4930901820"),
        ("030/901820", "DE", "+4930901820"),
        ("+44 (0) 20 7946 0958", "", "+442079460958"),
        ("(020) 7946 0958 ext 12", "GB", "+442079460958x12"),
        ("011 44 20 7946 0958", "US", "+442079460958"),
        ("+34 612 34 56 78", "", "+34612345678"),
        ("612345678", "ES", "+34612345678"),
        ("06.12.34.56.78", "FR", "+33612345678"),
        ("+86 138 0013 8000", "", "+8613800138000"),
        ("+7 912 345-67-89", "", "+79123456789"),
        ("8 912 345-67-89", "RU", "+79123456789"),
        ("+380 44 123 4567", "", "+380441234567"),
        ("090-3345-5392", "JP", "+819033455392"),
        ("０９０ー３３４５ー５３９２", "JP", "+819033455392"),
        ("tel: 206 518 4492", "", "+12065184492"),
        ("2065184492.0", "", "+12065184492"),
        ("2065184492 / 2065184493", "", "+12065184492"),
        ("206 518 4492 or 206 518 4493", "", "+12065184492"),
        ("٩٠٣٣٤٥٥٣٩٢", "IN", "+919033455392"),
        ("9" * 40, "", ""),
        ("+" * 1000, "", ""),
    ],
)
def test_phones_of_many_countries_have_one_strict_form(written: str, region: str, strict: str) -> None:
    assert parse_phone(written, region).strict == strict


@pytest.mark.parametrize("written", ["206-518-4492", "(206) 518-4492", "1 206 518 4492", "2065184492"])
def test_the_plain_shape_is_read_as_the_long_way_reads_it(written: str) -> None:
    assert parse_phone(written, "") == parse_phone(f"tel: {written}", "") == parse_phone(written, "US")


@pytest.mark.parametrize(
    ("written", "local", "domain"),
    [
        ("'anna@example.com'", "anna", "example.com"),
        ("mailto:anna@example.com", "anna", "example.com"),
        ("anna@example.com; bob@example.com", "anna", "example.com"),
        ("anna@example.com.", "anna", "example.com"),
        ("anna+shop@hotmail.de", "anna", "hotmail.de"),
        ("anna@bücher.de", "anna", "bucher.de"),
        ("@gmail.com", "", ""),
        ("...@gmail.com", "", ""),
    ],
)
def test_mail_addresses_lose_what_was_put_around_them(written: str, local: str, domain: str) -> None:
    email = parse_email(written)
    assert (email.local, email.domain) == (local, domain)


def test_a_domain_is_the_same_in_letters_and_as_the_name_system_writes_it() -> None:
    assert parse_email("anna@BÜCHER.de").strict == parse_email("Anna@xn--bcher-kva.de").strict
    assert parse_email("anna@bücher.de").strict != parse_email("anna@bucher.de").strict
    assert parse_email("anna@ｅxample.com").strict != parse_email("anna@example.com").strict


@pytest.mark.parametrize(
    ("written", "ymd"),
    [
        ("5 avril 1982", "19820405"),
        ("5 de abril de 1982", "19820405"),
        ("12. März 1982", "19820312"),
        ("12-ene-1982", "19820112"),
        ("3 juin 1982", "19820603"),
        ("3 juillet 1982", "19820703"),
        ("5 мая 1982", "19820505"),
        ("1982年4月5日", "19820405"),
        ("昭和57年4月5日", "19820405"),
        ("平成元年1月8日", "19890108"),
        ("S57.4.5", "19820405"),
        ("٥/٤/١٩٨٢", "19820504"),
        ("82-04-05", "19820405"),
        ("12/31/29", "19291231"),
        ("12/31/05", "20051231"),
        ("2525-04-05", "19820405"),
        ("31/02/1982", "19820231"),
        ("1982-04-05 00:00:00", "19820405"),
        ("April 1982", ""),
        ("00/00/0000", ""),
        ("99/99/9999", ""),
    ],
)
def test_birth_dates_are_read_in_many_languages_and_calendars(written: str, ymd: str) -> None:
    assert parse_date(written, "").ymd == ymd


@pytest.mark.parametrize("country", ["", "us", "gb", "de"])
def test_no_order_of_day_and_month_has_to_be_learned(country: str) -> None:
    """Where a text can be read both ways it says so, and then both readings count as equal."""
    assert parse_date("4/5/1982", country).ambiguous
    assert not parse_date("13/5/1982", country).ambiguous


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hauptstraße 12 a", "Hauptstr. 12A"),
        ("Berliner Straße 12", "Berliner Str. 12"),
        ("Calle Mayor 12", "C/ Mayor, 12"),
        ("Avenida Diagonal, 640", "Av. Diagonal 640"),
        ("Via Roma 1", "V. Roma, 1"),
        ("Flat 3, 12 High Street", "12 High St, Flat 3"),
        ("3/12 High Street", "Unit 3, 12 High St"),
        ("1 Third Avenue", "1 3rd Ave"),
        ("12bis rue de la Paix", "12 bis, rue de la Paix"),
        ("西新宿2丁目8番1号", "西新宿２－８－１"),
        ("Kerkstraat 5", "Kerkstr. 5"),
    ],
)
def test_an_address_in_two_spellings_is_one(one: str, other: str) -> None:
    assert parse_street(one) == parse_street(other)
    assert parse_street(one).number


@pytest.mark.parametrize(
    ("line", "street", "city", "region", "postcode"),
    [
        ("1949 Franklin St, Springfield, IL 62733", "1949 Franklin Street", "Springfield", "IL", "62733"),
        ("1551 Cedar Ln Seattle WA 98100-1234", "1551 Cedar Lane", "Seattle", "WA", "98100"),
        ("350 Fifth Avenue, New York, NY", "350 5th Ave", "New York", "NY", ""),
        ("702 Meadow Ct, 62716 Springfield", "702 Meadow Court", "Springfield", "", "62716"),
        ("Rose Cottage, 12 High Street, Bath BA1 2AB", "12 High St", "Bath", "", "BA1 2AB"),
        ("Hauptstr. 12, 80331 München", "Hauptstraße 12", "Munchen", "", "80331"),
        ("Calle Mayor, 5, 28001 Madrid", "C/ Mayor 5", "Madrid", "", "28001"),
        ("12 High Street, Flat B", "12 High Street Flat B", "", "", ""),
        ("Calle Mayor, 12", "Calle Mayor 12", "", "", ""),
        ("450 Park Ave Apt 4 Columbus OH 43201", "450 Park Ave Apt 4 Columbus", "", "OH", "43201"),
    ],
)
def test_a_whole_address_in_the_street_column_is_taken_apart(
    line: str, street: str, city: str, region: str, postcode: str
) -> None:
    apart = {"street": street, "city": city, "region": region, "postal_code": postcode}
    one, other = (normalise(CustomerRecord.of(v, tenant_id="t", customer_id="x")) for v in ({"street": line}, apart))
    parts = [(r.street, r.number, r.unit, r.city, r.region, r.postcode) for r in (one, other)]
    assert parts[0] == parts[1]


def test_a_building_named_before_the_street_is_no_part_of_it() -> None:
    assert parse_street("Mason Hall, 73 Chestnut St") == parse_street("73 Chestnut Street")
    assert parse_street("Calle Mayor, 12 piso 3").core == "calle mayor"
    assert parse_street("Court Road, 12").core.startswith("ct")


def test_other_numbers_are_other_dwellings() -> None:
    assert parse_street("12-14 High St").number != parse_street("12 High St").number
    assert parse_street("111-20 76th Ave").number != parse_street("111-24 76th Ave").number


@pytest.mark.parametrize(
    ("one", "other"),
    [("D-10115", "10115"), ("EX4 4PW", "ex44pw"), ("12345 6789", "12345-6789"), ("〒160-0023", "1600023")],
)
def test_postcodes_of_several_countries_have_one_form(one: str, other: str) -> None:
    assert parse_postcode(one) == parse_postcode(other)


@pytest.mark.parametrize(
    ("written", "code"),
    [("Deutschland", "de"), ("España", "es"), ("日本", "jp"), ("GBR", "gb"), ("Россия", "ru"), ("u.k.", "gb")],
)
def test_countries_are_known_by_their_own_names(written: str, code: str) -> None:
    assert parse_country(written) == code


def test_saints_of_towns_have_one_spelling() -> None:
    assert parse_city("Saint Louis") == parse_city("St. Louis")
