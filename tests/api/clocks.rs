//! Servers on machines that do not agree on the time: they go by the database's.

use std::sync::Arc;

use chrono::TimeDelta;
use voicehive_identity::clock::Clock;

use super::support::{Client, Setup, TestApp, TestDatabase, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_with_another_time_makes_tokens_that_hold_everywhere() {
    let database = Arc::new(TestDatabase::create().await);
    let right = TestApp::start_on(database.clone(), Setup::usual()).await;
    for minutes in [2, -2] {
        let now = right.clock.now();
        let setup = Setup { clock: Clock::starting_at(now + TimeDelta::minutes(minutes)), ..Setup::usual() };
        let wrong = TestApp::start_on(database.clone(), setup).await;
        let apart = || (wrong.clock.now() - right.clock.now()).abs();
        eventually("it goes by the database's time", async || apart() < TimeDelta::seconds(1)).await;

        let there = wrong.admin().await;
        let here = Client { access_token: there.access_token.clone(), ..Client::new(right.address) };
        assert!(here.is_signed_in().await, "{minutes} minutes apart");
        let refreshed = here.try_refresh(&there.refresh_token).await;
        assert!(refreshed.data("/refresh/tokens").is_object(), "{minutes} minutes apart: {}", refreshed.body);
    }
}
