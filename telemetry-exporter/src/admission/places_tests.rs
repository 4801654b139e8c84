//! Who has a place, and who makes room.

use std::net::IpAddr;

use super::*;

fn places(connections: usize, connections_per_client: usize) -> Arc<Places> {
    Places::new(Limits { connections, connections_per_client, ..Limits::default() })
}

fn client(last: u8) -> Client {
    Client::of(IpAddr::from([192, 0, 2, last]))
}

/// A request of one that was answered before.
fn asks(place: &Arc<Place>) -> Open {
    place.answered();
    place.open()
}

fn passed(places: &Places) {
    while places.now_ms() < SLOW_AFTER.as_millis() as u64 {
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_told(place: &Place) -> bool {
    place.is_ended.load(Ordering::Relaxed)
}

#[test]
fn one_client_has_so_many_places_and_all_together_have_so_many() {
    let places = places(3, 2);
    let enter = |last| places.enter(client(last), Identity::Anonymous);
    let first = enter(1).expect("room");
    let second = enter(1).expect("room");
    let (_asks, _too) = (asks(&first), asks(&second));
    assert!(enter(1).is_none(), "a client has two");
    let third = enter(2).expect("room");
    let _asks = asks(&third);
    assert!(enter(3).is_none(), "all have three");
    drop((_asks, third));
    assert!(enter(3).is_some(), "a place that is left is free");
}

#[test]
fn who_asks_nothing_makes_room_and_who_asks_does_not() {
    let places = places(2, 2);
    let enter = |last| places.enter(client(last), Identity::Anonymous);
    let asking = enter(1).expect("room");
    let open = asks(&asking);
    let idle = enter(2).expect("room");
    let new = enter(3).expect("that which asks nothing makes room");
    assert!((is_told(&idle), is_told(&asking), is_told(&new)) == (true, false, false));
    let _new_asks = asks(&new);
    assert!(enter(4).is_none());
    drop(idle); // it has left already
    assert!(enter(4).is_none(), "and frees nothing twice");
    drop(open);
    assert!(enter(4).is_none(), "it took an answer just now");
    asking.idle_since.store(0, Ordering::Relaxed);
    passed(&places);
    assert!(enter(4).is_some() && is_told(&asking));
}

#[test]
fn who_does_not_take_what_it_asked_for_makes_room() {
    let places = places(3, 3);
    let enter = |last| places.enter(client(last), Identity::Anonymous);
    let (asking, first, unread) = (enter(1).expect("room"), enter(2).expect("room"), enter(3).expect("room"));
    let _asks = (asks(&asking), first.open(), asks(&unread), unread.wait());
    let new = enter(4).expect("who waits for its first answer makes room");
    assert!((is_told(&asking), is_told(&first), is_told(&unread)) == (false, true, false));
    let _new_asks = asks(&new);
    assert!(enter(5).is_none(), "what waits does so just now");
    unread.progress.store(0, Ordering::Relaxed);
    passed(&places);
    assert!(enter(5).is_some() && is_told(&unread));
}

#[test]
fn a_crowd_makes_room_for_one_and_not_for_its_like() {
    let places = places(CROWD + 1, CROWD);
    let enter = |last| places.enter(client(last), Identity::Anonymous);
    let crowd: Vec<_> = (0..CROWD).map(|_| enter(1).expect("room")).collect();
    let other = enter(2).expect("room");
    let _all_ask: Vec<_> = crowd.iter().chain([&other]).map(asks).collect();
    assert!(enter(2).is_none(), "it has one already");
    let new = enter(3).expect("it has none");
    let _asks = asks(&new);
    let told: Vec<_> = crowd.iter().map(|place| is_told(place)).collect();
    assert_eq!((told[..CROWD - 1].contains(&true), told[CROWD - 1], is_told(&other)), (false, true, false));
    assert!(enter(4).is_none(), "there is no crowd any more");
}

#[test]
fn far_too_much_is_ended_at_once_where_most_is_held_and_no_more_than_that() {
    let places = Places::new(Limits { held_bytes: 100, ..Limits::default() });
    let enter = |last| places.enter(client(last), Identity::Anonymous).expect("room");
    let (little, nothing, much, more) = (enter(1), enter(2), enter(3), enter(4));
    let _waits = [&little, &nothing, &much, &more].map(|place| place.wait());
    places.hold(&little, 1);
    places.hold(&much, 50);
    places.hold(&more, 60);
    let told = || [&little, &nothing, &much, &more].map(|place| is_told(place));
    assert_eq!(told(), [false; 4], "nobody is slow");
    places.hold(&much, 20);
    assert_eq!(told(), [false, false, true, false], "61 are left");
    assert!(!places.press() && told() == [false, false, true, false], "what is ended goes in any case");
    let marked = [&little, &nothing, &much, &more].map(|place| places.is_marked(&place.client));
    assert_eq!(marked, [false, false, true, false]);
}

#[test]
fn the_slowest_is_ended_when_too_much_waits_and_not_before() {
    let places = Places::new(Limits { held_bytes: 100, ..Limits::default() });
    let enter = |last| places.enter(client(last), Identity::Anonymous).expect("room");
    let (slow, nothing, fast) = (enter(1), enter(2), enter(3));
    for place in [&slow, &nothing] {
        place.waiting.lock().insert(0, 0);
    }
    fast.waiting.lock().insert(1, u64::MAX);
    places.hold(&slow, 10);
    places.hold(&fast, 80);
    passed(&places);
    assert!(places.press() && !is_told(&slow));
    places.hold(&fast, 20);
    assert!(!places.press());
    assert_eq!([&slow, &nothing, &fast].map(|place| is_told(place)), [true, false, false], "to end nothing frees nothing");
}

#[test]
fn who_is_slow_with_little_is_not_ended_for_what_others_hold() {
    let limits = Limits { held_bytes: 64_000, connections: 64, ..Limits::default() };
    let places = Places::new(limits);
    let enter = |last| places.enter(client(last), Identity::Anonymous).expect("room");
    let little: Vec<_> = (10..20).map(enter).collect();
    for place in &little {
        place.waiting.lock().insert(0, 0);
        places.hold(place, 250);
    }
    let much = enter(1);
    much.waiting.lock().insert(1, u64::MAX);
    places.hold(&much, 64_000);
    passed(&places);
    assert!(!places.press());
    assert!(!little.iter().any(|place| is_told(place) || places.is_marked(&place.client)) && !is_told(&much));
}

#[test]
fn what_is_held_by_who_made_room_and_is_not_gone_ends_nobody_else() {
    let places = Places::new(Limits { held_bytes: 100, connections: 2, ..Limits::default() });
    let enter = |last| places.enter(client(last), Identity::Anonymous).expect("room");
    let (first, other) = (enter(1), enter(2));
    let _waits = [&first, &other].map(|place| place.wait());
    places.hold(&first, 70);
    let _new = enter(3); // the first makes room
    assert!(is_told(&first) && !is_told(&other));
    places.hold(&other, 60);
    assert!(!places.press() && !is_told(&other), "70 of 130 bytes go in any case");
}

#[test]
fn who_makes_room_is_marked_only_where_it_did_not_take_what_it_asked_for() {
    let places = places(1, 1);
    let enter = |last| places.enter(client(last), Identity::Anonymous);
    let asking = enter(1).expect("room");
    let (_asks, _waits) = (asking.open(), asking.wait());
    let unread = enter(2).expect("who waits for its first answer makes room");
    assert!(is_told(&asking) && !places.is_marked(&asking.client));
    let _waits = (unread.open(), unread.wait());
    unread.waiting.lock().iter_mut().for_each(|(_, since)| *since = 0);
    while !places.is_past(0, UNREAD_AFTER) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let _new = enter(3).expect("room");
    assert!(is_told(&unread) && places.is_marked(&unread.client));
}
