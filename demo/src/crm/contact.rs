//! Contacts, with numbers as people write them.

use rusqlite::{Result, Row};
use serde_json::{Value, json};

/// Somebody who calls, or is called.
#[derive(Debug, Clone)]
pub(crate) struct Contact {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) company: String,
    pub(crate) numbers: Vec<Number>,
}

/// One of a contact's numbers.
#[derive(Debug, Clone)]
pub(crate) struct Number {
    pub(crate) label: String,
    /// As somebody has typed it.
    pub(crate) written: String,
}

/// A contact as it stands in the source: name, company, and numbers with their labels.
type Demo = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Who is in a new database: some who answer on the embedded server, and numbers in the forms of several countries. Those
/// of strangers are reserved for fiction where there is such a reserve.
pub(crate) const DEMO: &[Demo] = &[
    ("Alice Liddell", "Wonderland Ltd", &[("desk", "1001")]),
    ("Bob Miller", "Builders Inc", &[("desk", "1002")]),
    ("Carol Singer", "Choir & Co", &[("desk", "1003"), ("mobile", "+1 (202) 555-0143")]),
    ("Dora Desk", "This office", &[("desk", "1011")]),
    ("Egon Evening", "This office", &[("desk", "1012")]),
    ("Echo", "Valley & Sons", &[("phone", "600")]),
    ("Ever Busy", "Hotline GmbH", &[("phone", "602"), ("fax", "+49 (30) 23125-123")]),
    ("Nobody Home", "", &[("phone", "603")]),
    ("Иван Петров", "ООО «Ромашка»", &[("мобильный", "8 (916) 123-45-67"), ("работа", "+7 495 765-43-21 доб. 12")]),
    ("Мария Петрова", "", &[("мобильный", "+79161234567")]),
    ("Jane Doe", "Holmes & Watson", &[("office", "020 7946 0958"), ("mobile", "+44 7700 900123")]),
    ("Jean Dupont", "Boulangerie du Coin", &[("bureau", "01.99.00.12.34")]),
    ("Mario Rossi", "Pasticceria", &[("ufficio", "+39 06 5555 0100 ext. 7")]),
];

impl Contact {
    /// Of a row `id, name, company`, without numbers.
    pub(crate) fn read(row: &Row<'_>) -> Result<Contact> {
        Ok(Contact { id: row.get(0)?, name: row.get(1)?, company: row.get(2)?, numbers: Vec::new() })
    }

    /// Its page.
    pub(crate) fn url(&self) -> String {
        format!("/crm/contacts/{}", self.id)
    }

    /// As the phone knows it.
    pub(crate) fn json(&self) -> Value {
        let (id, url) = (self.id.to_string(), self.url());
        json!({ "type": "contact", "id": id, "name": self.name, "url": url, "company": self.company })
    }
}
