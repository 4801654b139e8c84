//! What the rules for names let pass and refuse, with their words.

#![cfg(not(loom))]

use std::time::Duration;

use crate::name::*;

#[test]
fn names_of_the_specification_pass_and_others_say_where_they_fail() {
    for good in ["a", "http.server.duration", "a/b-c_d.e", "Libp2p", &"a".repeat(255)] {
        assert_eq!(name(good), Ok(()), "{good}");
    }
    assert_eq!(name("").unwrap_err().as_str(), "name is empty: wanted a letter, then letters, digits, '_', '.', '/' or '-'");
    assert!(name("1a").unwrap_err().as_str().starts_with("name starts with '1'"));
    assert!(name("what?").unwrap_err().as_str().starts_with("name contains '?' at position 4"));
    assert!(name("a b").unwrap_err().as_str().starts_with("name contains a space at position 1"));
    assert!(name("aé").unwrap_err().as_str().starts_with("name contains a character that is not ASCII at position 1"));
    assert_eq!(name(&"a".repeat(256)).unwrap_err().as_str(), "name has 256 bytes: at most 255 are allowed");
}

#[test]
fn units_are_ascii_and_balanced() {
    for good in ["", "By", "s", "1", "{message}", "By/s", "{a}/{b}", "%"] {
        assert_eq!(unit(good), Ok(()), "{good}");
    }
    for bad in ["{", "}", "{{a}}", "a}", "µs", "a b", &"a".repeat(64)] {
        assert!(unit(bad).is_err(), "{bad}");
    }
}

#[test]
fn bounds_are_finite_and_increase() {
    assert_eq!(bounds(&[]), Ok(()));
    assert_eq!(bounds(&[-1.0, 0.0, 2.5]), Ok(()));
    assert_eq!(bounds(&[1.0, 1.0]).unwrap_err().as_str(), "the bound at position 1 is not above the one before it");
    assert_eq!(bounds(&[0.0; 160]).unwrap_err().as_str(), "there are 160 bounds, and one less than 160 at most is wanted");
    assert_eq!(bounds(&[f64::NAN]).unwrap_err().as_str(), "the bound at position 0 is not finite");
}

#[test]
fn intervals_are_a_number_and_a_unit() {
    assert_eq!(interval("1m"), Ok(Duration::from_secs(60)));
    assert_eq!(interval("2h"), Ok(Duration::from_secs(7200)));
    for bad in ["", "s", "5", "0s", "-1s", "1.5s", "5 s", "99999999999999999999h", "1d"] {
        assert!(interval(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_long_text_in_a_message_is_cut_not_split() {
    let long = "é".repeat(500);
    assert_eq!(interval(&long).unwrap_err().as_str().len(), 224);
}
