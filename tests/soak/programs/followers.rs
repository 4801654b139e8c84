//! Follows the stream of the program at the address that is its argument, with as many clients as there are to be, until each has the
//! last event. It says when each has got one, and reports what each accounts for.

use std::env;
use std::time::Duration;

use soak::{Account, FOLLOWERS, STREAM};
use telemetry_exporter::client::{Client, Place, PullOptions};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// The follower that is slow, so that there are gaps on any machine, and a reader that is waited for.
const SLOW: usize = FOLLOWERS - 1;

/// How long it takes for each piece.
const SLOW_EVERY: Duration = Duration::from_millis(50);

/// Long enough for any machine; a follower to which nothing comes for so long has failed.
const DEADLINE: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() {
    let address = env::args().nth(1).expect("an address");
    let (begun, mut all) = mpsc::channel(FOLLOWERS);
    let follow = |number| tokio::spawn(follow(address.clone(), number, begun.clone()));
    let followers: Vec<_> = (0..FOLLOWERS).map(follow).collect();
    for _ in 0..FOLLOWERS {
        let began = timeout(DEADLINE, all.recv()).await;
        began.expect("an event comes to each").expect("this end is held");
    }
    println!("following");
    for follower in followers {
        let account = follower.await.expect("it accounts for what comes");
        println!("{}", serde_json::to_string(&account).expect("it is plain data"));
    }
}

async fn follow(address: String, number: usize, begun: mpsc::Sender<()>) -> Account {
    let client = Client::connect(&address).await.expect("the program answers");
    let options = PullOptions { head: true, follow: true, ..PullOptions::default() };
    let mut pull = client.pull(STREAM, &Place::default(), options).await.expect("the stream exists");
    let mut account = Account::default();
    loop {
        let pulled = timeout(DEADLINE, pull.next()).await.expect("something comes");
        let pulled = pulled.expect("an answer").expect("a follower has no end before the last event");
        let is_first = account == Account::default();
        if account.take(&pulled) {
            return account;
        }
        if is_first {
            begun.send(()).await.expect("the other end is held");
        }
        if number == SLOW {
            sleep(SLOW_EVERY).await;
        }
    }
}
