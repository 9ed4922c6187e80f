//! Finds the records that refer to a record and satisfy a condition: by an index of the fields that refer, or by one scan of
//! their table.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hashbrown::{HashMap, HashSet};
use kapok_core::Result;
use kapok_core::segment::{LiveSegment, RowId};

use super::access::Access;
use super::check::Ready;
use super::evaluate::Spending;
use super::place::Scope;
use super::referrers::Referrers;
use super::rows::Rows;
use super::scan::corrupt;
use super::unreadable::Read;

/// Rows that an index may give for each row of the table, before one scan is made in its place: conditions about referring
/// records stand within one another, and each would multiply what the one around it asks.
const ROWS_GIVEN: u64 = 4;
/// Rows that it may give in any case.
const ROWS_GIVEN_MIN: u64 = 4096;

/// The referring records that satisfy a condition.
#[derive(Debug)]
pub(super) struct Referring<'v> {
    pub of: Arc<Referrers<'v>>,
    pub condition: Arc<Ready<'v>>,
    /// Their number by the encoded key that they refer to, once a scan was made.
    counts: OnceLock<HashMap<Vec<u8>, u64>>,
    /// Their rows, likewise.
    rows: OnceLock<HashMap<Vec<u8>, Vec<RowId>>>,
    /// Held while a scan is made.
    scanning: Mutex<()>,
    /// Rows that the index may still give.
    left: AtomicU64,
}

impl<'v> Referring<'v> {
    pub fn new(of: &Arc<Referrers<'v>>, condition: Ready<'v>) -> Self {
        let rows: u64 = of.table.segments().iter().map(|source| u64::from(source.segment().rows())).sum();
        Self {
            of: Arc::clone(of),
            condition: Arc::new(condition),
            counts: OnceLock::new(),
            rows: OnceLock::new(),
            scanning: Mutex::new(()),
            left: AtomicU64::new(rows.saturating_mul(ROWS_GIVEN).saturating_add(ROWS_GIVEN_MIN)),
        }
    }

    /// Returns whether there is one of a record.
    pub fn exists(&self, record: Scope<'v>) -> Read<bool> {
        Ok(self.count_up_to(record, 1)? > 0)
    }

    /// Returns the number of those of a record.
    pub fn count(&self, record: Scope<'v>) -> Read<u64> {
        self.count_up_to(record, u64::MAX)
    }

    fn count_up_to(&self, record: Scope<'v>, limit: u64) -> Read<u64> {
        if let Some(access) = self.access() {
            let mut count = 0;
            self.find(access, record, &mut |_, _| {
                count += 1;
                Ok(count < limit)
            })?;
            return Ok(count);
        }
        let counts = self.scan_once(&self.counts, |count, _| *count += 1)?;
        Ok(self.of_record(counts, record)?.copied().unwrap_or_default())
    }

    /// Hands each of those of a record, with its segment, to a function, whose errors are about that segment.
    pub fn for_each(&self, record: Scope<'v>, f: &mut dyn FnMut(&'v LiveSegment, Scope<'v>) -> Read<()>) -> Read<()> {
        let mut each = |source: &'v LiveSegment, scope| match f(source, scope) {
            Ok(()) => Ok(true),
            Err(unreadable) => Err(corrupt(source, unreadable)),
        };
        if let Some(access) = self.access() {
            return self.find(access, record, &mut each);
        }
        let rows = self.scan_once(&self.rows, |rows: &mut Vec<RowId>, row_id| rows.push(row_id))?;
        for row_id in self.of_record(rows, record)?.into_iter().flatten() {
            let (place, row) = self.of.table.place(*row_id)?;
            let source = &self.of.table.segments()[place];
            if let Some(at) = source.segment().row(row) {
                each(source, Scope::Struct(at))?;
            }
        }
        Ok(())
    }

    /// Returns the index to ask; `None` if there is none, or a scan is cheaper by now.
    fn access(&self) -> Option<&Access<'v>> {
        self.of.access().filter(|_| self.left.load(Ordering::Relaxed) > 0)
    }

    fn pay(&self, rows: u64) {
        // Threads that pay at once may pay too little, which costs some rows more.
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(rows), Ordering::Relaxed);
    }

    /// Hands those of a record to a function, by an index, until it returns false.
    fn find(
        &self,
        access: &Access<'v>,
        record: Scope<'v>,
        f: &mut dyn FnMut(&'v LiveSegment, Scope<'v>) -> Result<bool>,
    ) -> Read<()> {
        let Some(equal) = self.of.conditions(record)? else { return Ok(()) };
        let spending = Spending::new();
        for (source, opened) in self.of.table.segments().iter().zip(&self.of.indexes.opened) {
            let answer = access.ask(&equal, source, opened)?;
            self.pay(answer.as_ref().map_or(1, |answer| answer.count.saturating_add(1)));
            let Some(answer) = answer else { continue };
            let all_answered = answer.answered.len() == equal.len();
            for row in answer.rows()? {
                let Some(at) = source.segment().row(row).filter(|_| source.is_live(row)) else { continue };
                spending.renew();
                let scope = Scope::Struct(at);
                let holds = || -> Read<bool> {
                    for one in equal.iter().filter(|_| !all_answered) {
                        if !one.holds(scope, &spending)? {
                            return Ok(false);
                        }
                    }
                    self.condition.holds(scope, &spending)
                };
                if holds().map_err(|unreadable| corrupt(source, unreadable))? && !f(source, scope)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Returns what was noted for the key of a record.
    fn of_record<'m, T>(&self, noted: &'m HashMap<Vec<u8>, T>, record: Scope<'v>) -> Read<Option<&'m T>> {
        let (Scope::Struct(at), mut key) = (record, Vec::new()) else { return Ok(None) };
        let has_key = self.of.reference.key.target.key().encode_row(at, &mut key)?;
        Ok(if has_key { noted.get(key.as_slice()) } else { None })
    }

    /// Notes something for each key that is referred to, once.
    fn scan_once<'m, T: Default>(
        &self,
        noted: &'m OnceLock<HashMap<Vec<u8>, T>>,
        note: fn(&mut T, RowId),
    ) -> Result<&'m HashMap<Vec<u8>, T>> {
        if let Some(noted) = noted.get() {
            return Ok(noted);
        }
        let _scanning = self.scanning.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(noted) = noted.get() {
            return Ok(noted);
        }
        let all = self.scan(note)?;
        Ok(noted.get_or_init(|| all))
    }

    fn scan<T: Default>(&self, note: fn(&mut T, RowId)) -> Result<HashMap<Vec<u8>, T>> {
        let of = &*self.of;
        let indexes = (Arc::clone(&of.accesses), of.indexes);
        let rows = Rows::new(of.names, of.table, Some(indexes), Arc::clone(&self.condition))?;
        let target = of.reference.key.target.key();
        let (mut out, mut key, spending) = (HashMap::new(), Vec::new(), Spending::new());
        // A record that refers to a key several times counts once.
        let mut keys: HashSet<Vec<u8>> = HashSet::new();
        for mut scan in rows.scans() {
            let source = scan.source();
            while let Some(row) = scan.next() {
                let row = row?;
                let Some(at) = source.segment().row(row) else { continue };
                let row_id = scan.row_id(row);
                spending.renew();
                keys.clear();
                let referred = of.reference.for_each(Scope::Struct(at), &spending, &mut |parts| {
                    if target.encode(parts, &mut key)? && !keys.contains(key.as_slice()) {
                        keys.insert(key.clone());
                    }
                    Ok(())
                });
                referred.map_err(|unreadable| corrupt(source, unreadable))?;
                for key in &keys {
                    note(out.entry_ref(key.as_slice()).or_default(), row_id);
                }
            }
        }
        Ok(out)
    }
}
