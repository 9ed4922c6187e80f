//! Texts that are checked once for a whole field read as those that are checked one by one.

use std::sync::Arc;

use bytes::Bytes;
use kapok_core::ErrorKind;
use kapok_core::field::List;
use kapok_core::manifest::Blob;
use kapok_core::record::ValueRef;
use kapok_index::View;
use proptest::prelude::{any, prop, proptest};
use roaring::RoaringBitmap;

use crate::keys::fixture::{Values, Version};

fn records(texts: &[&str]) -> Vec<Values> {
    (0..).zip(texts).map(|(key, text)| Values { code: (*text).to_owned(), ..Values::with_u32(key) }).collect()
}

fn version(texts: &[&str]) -> Version {
    let mut version = Version::new(&["u32"]);
    version.push(&records(texts), &RoaringBitmap::new());
    version
}

/// Changes the bytes of a version's segment.
fn change(version: &mut Version, change: impl FnOnce(&mut Vec<u8>)) {
    let id = version.segments[0].id;
    let Blob { name, bytes } = version.blobs.get(&id).unwrap().clone();
    let mut bytes = bytes.to_vec();
    change(&mut bytes);
    version.blobs.insert(id, Blob { name, bytes: Bytes::from(bytes) });
}

fn checked(view: &View) -> String {
    format!("{:?}", view.table("Kinds").unwrap())
}

#[test]
fn one_text_that_is_not_utf8_fails_alone() {
    let mut version = version(&["Metropolis", "Häxan", "Solaris"]);
    change(&mut version, |bytes| {
        let at = bytes.windows(6).position(|text| text == "Häxan".as_bytes()).unwrap();
        bytes[at + 1] = b'a';
    });
    let view = version.open().unwrap();
    let (plain, optional) =
        (view.field::<&str>("Kinds.code").unwrap(), view.field::<Option<&str>>("Kinds.code").unwrap());
    let rows: Vec<_> = view.table("Kinds").unwrap().row_ids().collect();
    assert_eq!(plain.get(rows[0]).unwrap(), "Metropolis");
    assert_eq!(optional.get(rows[2]).unwrap(), Some("Solaris"));
    let error = plain.get(rows[1]).unwrap_err();
    assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains("UTF-8"), "{error}");
    assert_eq!(optional.get(rows[1]).unwrap_err().to_string(), error.to_string());
    assert_eq!(plain.iter().filter(Result::is_err).count(), 1);
    assert_eq!(plain.get_many(&rows).unwrap_err().to_string(), error.to_string());
    assert_eq!(plain.get_many(&[rows[2], rows[0], rows[2]]).unwrap(), ["Solaris", "Metropolis", "Solaris"]);
    assert_eq!(plain.get_many(&[]).unwrap(), [""; 0]);
}

#[test]
fn a_later_view_checks_what_an_earlier_one_was_asked_for() {
    let before = version(&["Metropolis"]).open().unwrap();
    let mut version = version(&["Metropolis"]);
    version.push(&records(&["", "", "Häxan"])[2..], &RoaringBitmap::new());
    let after = version.open().unwrap();
    after.check_texts_as(&before);
    assert!(!checked(&after).contains("code"), "no reader has asked for it");
    assert_eq!(before.field::<&str>("Kinds.code").unwrap().iter().next().unwrap().unwrap(), "Metropolis");
    assert!(checked(&before).contains("code"), "{}", checked(&before));
    after.check_texts_as(&before);
    assert!(checked(&after).contains("code"), "{}", checked(&after));
    let texts: Vec<_> = after.field::<&str>("Kinds.code").unwrap().iter().map(Result::unwrap).collect();
    assert_eq!(texts, ["Metropolis", "Häxan"]);
}

#[test]
fn bytes_and_records_start_no_check() {
    let view = version(&["Metropolis"]).open().unwrap();
    assert_eq!(view.field::<&[u8]>("Kinds.code").unwrap().iter().next().unwrap().unwrap(), b"Metropolis");
    let record = view.record_by_key("Kinds", &0).unwrap().unwrap();
    assert!(matches!(record.get("code").unwrap(), ValueRef::Text("Metropolis")));
    assert!(!checked(&view).contains("code"), "{}", checked(&view));
}

/// A record for each list.
fn lists(lists: &[Vec<String>]) -> Version {
    let records = (0..).zip(lists).map(|(key, texts)| Values { texts: texts.clone(), ..Values::with_u32(key) });
    let mut version = Version::new(&["u32"]);
    version.push(&records.collect::<Vec<_>>(), &RoaringBitmap::new());
    version
}

#[test]
fn texts_of_lists_are_checked_once_and_one_that_is_not_utf8_fails_alone() {
    let genres = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let mut version = lists(&[genres(&[]), genres(&["", "Drama"]), genres(&["Märchen", "Drama"]), genres(&["Kölsch"])]);
    let view = version.open().unwrap();
    assert_eq!(view.field::<List<'_, &[u8]>>("Kinds.texts").unwrap().iter().flatten().count(), 4);
    assert!(!checked(&view).contains("\"texts\""), "{}", checked(&view));
    let field = view.field::<List<'_, &str>>("Kinds.texts").unwrap();
    // The texts of five elements, each once, end in NUL and are padded to words; the lists before them are left out.
    assert!(checked(&view).contains("\"texts\": 40"), "{}", checked(&view));
    let found: Vec<Vec<&str>> =
        field.iter().map(|list| list.unwrap().iter().collect::<Result<_, _>>().unwrap()).collect();
    assert_eq!(found, [vec![], vec!["", "Drama"], vec!["Märchen", "Drama"], vec!["Kölsch"]]);
    change(&mut version, |bytes| {
        let at = bytes.windows(7).position(|text| text == "Kölsch".as_bytes()).unwrap();
        bytes[at + 1] = b'o';
    });
    let view = version.open().unwrap();
    let field = view.field::<Option<List<'_, &str>>>("Kinds.texts").unwrap();
    let lists: Vec<_> = field.iter().map(|list| list.unwrap()).collect();
    assert_eq!(lists[2].unwrap().get(0).unwrap(), Some("Märchen"));
    let error = lists[3].unwrap().get(0).unwrap_err();
    assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains("UTF-8"), "{error}");
}

proptest! {
    #[test]
    fn changed_bytes_of_lists_read_as_through_a_record(
        texts in prop::collection::vec(prop::collection::vec("[a-zäß€𝄞]{0,9}", 0..4), 1..8),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut version = lists(&texts);
        change(&mut version, |bytes| {
            let len = bytes.len();
            bytes[32 + at.index(len - 32)] = byte;
        });
        let Ok(view) = version.open().map(Arc::new) else { return Ok(()) };
        let field = view.field::<List<'_, &str>>("Kinds.texts").unwrap();
        let table = view.table("Kinds").unwrap();
        for row_id in table.row_ids() {
            let record = table.record(row_id).unwrap();
            let expected = match record.get("texts") {
                Ok(ValueRef::List(list)) => Some(list),
                Ok(ValueRef::Null) | Err(_) => None,
                Ok(other) => panic!("{other:?}"),
            };
            let Some(list) = expected else { continue };
            let Ok(found) = field.get(row_id) else { panic!("a list that a record reads") };
            for (index, expected) in list.iter().enumerate() {
                let expected = match expected {
                    Ok(ValueRef::Text(text)) => Some(text),
                    Ok(ValueRef::Null) => Some(""),
                    Ok(other) => panic!("{other:?}"),
                    Err(_) => None,
                };
                let found = found.get(u32::try_from(index).unwrap()).map(|text| text.expect("as long"));
                assert_eq!(found.ok(), expected);
            }
        }
    }

    #[test]
    fn changed_bytes_read_as_through_a_record(
        texts in prop::collection::vec("[a-zäß€𝄞]{0,12}", 1..12),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut version = version(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        // Behind the header and the pointers to the list of rows, whose change no view opens.
        change(&mut version, |bytes| {
            let len = bytes.len();
            bytes[32 + at.index(len - 32)] = byte;
        });
        let Ok(view) = version.open().map(Arc::new) else { return Ok(()) };
        let field = view.field::<&str>("Kinds.code").unwrap();
        let table = view.table("Kinds").unwrap();
        for row_id in table.row_ids() {
            let record = table.record(row_id).unwrap();
            let expected = match record.get("code") {
                Ok(ValueRef::Text(text)) => Some(text),
                Ok(ValueRef::Null) => Some(""),
                Ok(other) => panic!("{other:?}"),
                Err(_) => None,
            };
            assert_eq!(field.get(row_id).ok(), expected);
        }
    }
}
