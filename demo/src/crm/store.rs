//! The database: agents, contacts with their numbers, cards of calls. Every value is a parameter.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::card::{Card, Snapshot};
use super::contact::{Contact, Number};
use super::number;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS agents (name TEXT PRIMARY KEY, hash TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS contacts (id INTEGER PRIMARY KEY, name TEXT NOT NULL, company TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS numbers (contact INTEGER NOT NULL REFERENCES contacts, label TEXT NOT NULL,
    written TEXT NOT NULL, key TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS numbers_by_key ON numbers (key);
CREATE TABLE IF NOT EXISTS cards (id INTEGER PRIMARY KEY, agent TEXT NOT NULL, call TEXT NOT NULL, seq INTEGER NOT NULL,
    version INTEGER NOT NULL, contact INTEGER REFERENCES contacts, direction TEXT NOT NULL, number TEXT NOT NULL,
    started TEXT NOT NULL, answered TEXT, ended TEXT, talk INTEGER NOT NULL, disposition TEXT, outcome TEXT NOT NULL,
    notes TEXT NOT NULL, recording TEXT, UNIQUE (agent, call));
CREATE INDEX IF NOT EXISTS cards_by_version ON cards (agent, version);
";

const CARD: &str =
    "SELECT c.id, c.version, c.direction, c.number, c.started, c.answered, c.ended, c.talk, c.disposition,
    c.outcome, c.notes, c.recording, c.contact, k.name FROM cards c LEFT JOIN contacts k ON k.id = c.contact";

/// Cards of one list.
const MOST_CARDS: usize = 200;

/// The database. SQLite has one writer; these answers take microseconds, so one connection serves all.
pub(crate) struct Store(Mutex<Connection>);

/// What became of an event.
pub(crate) struct Written {
    /// The card.
    pub(crate) id: i64,
    /// False when its number was not above the last one.
    pub(crate) is_new: bool,
    /// Whose call it is, as far as the card knows.
    pub(crate) contact: Option<i64>,
}

impl Store {
    /// Opens a file, or makes a database in memory; a new one gets the demo's contacts.
    ///
    /// # Errors
    /// When the file is no database, or cannot be written.
    pub(crate) fn open(file: Option<&Path>) -> Result<Store> {
        let mut db = match file {
            Some(file) => Connection::open(file)?,
            None => Connection::open_in_memory()?,
        };
        db.busy_timeout(Duration::from_secs(5))?;
        db.execute_batch(SCHEMA)?;
        let transaction = db.transaction()?;
        if transaction.query_row("SELECT COUNT(*) FROM contacts", [], |row| row.get::<_, i64>(0))? == 0 {
            for (name, company, numbers) in super::contact::DEMO {
                insert_contact(&transaction, name, company, numbers)?;
            }
        }
        transaction.commit()?;
        Ok(Store(Mutex::new(db)))
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets an agent's hash.
    pub(crate) fn set_agent(&self, name: &str, hash: &str) -> Result<()> {
        let sql = "INSERT INTO agents VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET hash = excluded.hash";
        self.db().execute(sql, params![name, hash]).map(drop)
    }

    /// An agent's hash.
    pub(crate) fn hash_of(&self, name: &str) -> Result<Option<String>> {
        self.db().query_row("SELECT hash FROM agents WHERE name = ?1", [name], |row| row.get(0)).optional()
    }

    /// Contacts whose name, company or number contains this, by name.
    pub(crate) fn contacts(&self, text: &str) -> Result<Vec<Contact>> {
        let db = self.db();
        let mut found = db.prepare(
            "SELECT id, name, company FROM contacts c WHERE ?1 = '' OR instr(lower(name), lower(?1)) > 0
             OR instr(lower(company), lower(?1)) > 0 OR EXISTS (SELECT 1 FROM numbers n WHERE n.contact = c.id
             AND (instr(n.written, ?1) > 0 OR (length(?2) > 2 AND instr(n.key, ?2) > 0))) ORDER BY name",
        )?;
        let rows = found.query_map(params![text, number::key(text)], Contact::read)?;
        rows.map(|contact| with_numbers(&db, contact?)).collect()
    }

    /// One contact.
    pub(crate) fn contact(&self, id: i64) -> Result<Option<Contact>> {
        let db = self.db();
        let sql = "SELECT id, name, company FROM contacts WHERE id = ?1";
        db.query_row(sql, [id], Contact::read).optional()?.map(|contact| with_numbers(&db, contact)).transpose()
    }

    /// Everybody with this number, in whatever form.
    pub(crate) fn with_number(&self, written: &str) -> Result<Vec<Contact>> {
        let key = number::key(written);
        if key.is_empty() {
            return Ok(Vec::new());
        }
        let db = self.db();
        let mut found = db.prepare(
            "SELECT DISTINCT c.id, c.name, c.company FROM contacts c JOIN numbers n ON n.contact = c.id
             WHERE n.key = ?1 ORDER BY c.id",
        )?;
        let rows = found.query_map([key], Contact::read)?;
        rows.map(|contact| with_numbers(&db, contact?)).collect()
    }

    /// Adds a contact with one number.
    pub(crate) fn add_contact(&self, name: &str, company: &str, written: &str) -> Result<i64> {
        let mut db = self.db();
        let transaction = db.transaction()?;
        let id = insert_contact(&transaction, name, company, &[("phone", written)])?;
        transaction.commit()?;
        Ok(id)
    }

    /// Writes what an event says of a call onto its card, unless the card knows it already, or better.
    pub(crate) fn write(&self, agent: &str, seq: u32, call: &Snapshot, contact: Option<i64>) -> Result<Written> {
        let mut db = self.db();
        let transaction = db.transaction()?;
        // Who reads "all above version 7" misses nothing: numbers are given in the order of the transactions.
        let written = transaction
            .query_row(
                "INSERT INTO cards (agent, call, seq, version, contact, direction, number, started, answered, ended, talk,
                     disposition, outcome, notes, recording)
                 VALUES (?1, ?2, ?3, (SELECT COALESCE(MAX(version), 0) + 1 FROM cards), ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,
                     ?12, ?13, ?14)
                 ON CONFLICT (agent, call) DO UPDATE SET seq = excluded.seq, version = excluded.version,
                     contact = COALESCE(excluded.contact, contact), direction = excluded.direction,
                     number = excluded.number, started = excluded.started, answered = excluded.answered,
                     ended = excluded.ended, talk = excluded.talk, disposition = excluded.disposition,
                     outcome = excluded.outcome, notes = excluded.notes, recording = excluded.recording
                 WHERE excluded.seq > cards.seq RETURNING id, contact",
                params![
                    agent,
                    call.id,
                    seq,
                    contact,
                    call.direction,
                    call.number(),
                    call.started_at,
                    call.answered_at,
                    call.ended_at,
                    call.talk_seconds,
                    call.disposition,
                    call.outcome.as_deref().unwrap_or_default(),
                    call.notes,
                    call.recording_url,
                ],
                |row| Ok(Written { id: row.get(0)?, is_new: true, contact: row.get(1)? }),
            )
            .optional()?;
        let result = match written {
            Some(written) => written,
            None => transaction.query_row(
                "SELECT id, contact FROM cards WHERE agent = ?1 AND call = ?2",
                params![agent, call.id],
                |row| Ok(Written { id: row.get(0)?, is_new: false, contact: row.get(1)? }),
            )?,
        };
        transaction.commit()?;
        Ok(result)
    }

    /// An agent's cards that have changed since a version, the newest last; with a contact, only those of it.
    pub(crate) fn cards(&self, agent: &str, since: i64, contact: Option<i64>) -> Result<Vec<Card>> {
        let db = self.db();
        let sql = format!(
            "{CARD} WHERE c.agent = ?1 AND c.version > ?2 AND (?3 IS NULL OR c.contact = ?3)
             ORDER BY c.version DESC LIMIT {MOST_CARDS}"
        );
        let mut cards: Vec<Card> =
            db.prepare(&sql)?.query_map(params![agent, since, contact], Card::read)?.collect::<Result<_>>()?;
        cards.reverse();
        Ok(cards)
    }

    /// One card, if it is this agent's.
    pub(crate) fn card(&self, agent: &str, id: i64) -> Result<Option<Card>> {
        let sql = format!("{CARD} WHERE c.agent = ?1 AND c.id = ?2");
        self.db().query_row(&sql, params![agent, id], Card::read).optional()
    }
}

fn insert_contact(db: &Connection, name: &str, company: &str, numbers: &[(&str, &str)]) -> Result<i64> {
    db.execute("INSERT INTO contacts (name, company) VALUES (?1, ?2)", params![name, company])?;
    let id = db.last_insert_rowid();
    for (label, written) in numbers {
        db.execute("INSERT INTO numbers VALUES (?1, ?2, ?3, ?4)", params![id, label, written, number::key(written)])?;
    }
    Ok(id)
}

fn with_numbers(db: &Connection, mut contact: Contact) -> Result<Contact> {
    let mut found = db.prepare_cached("SELECT label, written FROM numbers WHERE contact = ?1 ORDER BY rowid")?;
    let rows = found.query_map([contact.id], |row| Ok(Number { label: row.get(0)?, written: row.get(1)? }))?;
    contact.numbers = rows.collect::<Result<_>>()?;
    Ok(contact)
}
