use super::*;

contract!(a_server_is_greeted_once, steps_stay_passed);

async fn a_server_is_greeted_once(storage: Storage) {
    let racing = (0..8).map(|_| {
        let storage = storage.clone();
        let claim = async move { storage.setups().claim_greeting(guild(1), t(10), t(0)).await };
        tokio::spawn(claim)
    });
    let mut greeted = 0;
    for claimed in racing.collect::<Vec<_>>() {
        greeted += u32::from(claimed.await.unwrap().unwrap());
    }
    assert_eq!(greeted, 1);
    let again = async |at, not_since| {
        let setups = storage.setups();
        setups.claim_greeting(guild(1), t(at), t(not_since)).await
    };
    assert!(!again(20, 5).await.unwrap(), "it was greeted since");
    assert!(again(100, 50).await.unwrap(), "that was long ago");
    assert!(!again(101, 100).await.unwrap());
    let other = storage.setups().claim_greeting(guild(2), t(10), t(0));
    assert!(other.await.unwrap());
}

async fn steps_stay_passed(storage: Storage) {
    let setups = storage.setups();
    assert!(setups.passed(guild(1)).await.unwrap().is_empty());
    for step in ["sight", "limits", "sight"] {
        setups.pass(guild(1), step, t(1)).await.unwrap();
    }
    setups.pass(guild(2), "alerts", t(1)).await.unwrap();
    assert_eq!(setups.passed(guild(1)).await.unwrap(), ["limits", "sight"]);
    setups.forget(guild(1)).await.unwrap();
    assert!(setups.passed(guild(1)).await.unwrap().is_empty());
    assert_eq!(setups.passed(guild(2)).await.unwrap(), ["alerts"]);
}
