//! What becomes of an event whose handler failed.

use pingtalk_sdk::{cache::CacheError, documents::DocumentError, prelude::*};

fn event(payload: &str) -> Event {
    Event {
        id: "1".to_owned(),
        topic: "t".to_owned(),
        payload: payload.as_bytes().to_vec(),
        attempt: 1,
        published_at: Date::from_millis(0),
    }
}

#[test]
fn a_refusal_is_final_and_a_failure_is_not() {
    let of = |error: Error| Disposition::from(Err(error));
    assert!(matches!(of(Error::bad_request("x")), Disposition::Reject(_)));
    assert!(matches!(of(Error::too_many_requests("x", 1)), Disposition::Retry(_)));
    assert!(matches!(of(DocumentError::DeadlineExceeded.into()), Disposition::Retry(_)));
    assert!(matches!(of(Error::internal("x")), Disposition::Retry(_)));
    assert_eq!(Disposition::from(Ok(Disposition::Done)), Disposition::Done);
}

#[test]
fn a_payload_of_another_shape_is_a_refusal() {
    assert_eq!(event("[1,2]").json::<Vec<i32>>().unwrap(), [1, 2]);
    for payload in ["", "{", "{}", "[\"x\"]"] {
        assert!(event(payload).json::<Vec<i32>>().unwrap_err().is_refusal(), "{payload}");
    }
}

#[test]
fn cache_errors_say_which() {
    assert_eq!(CacheError::Denied("x:".to_owned()).to_string(), "not granted: x:");
}
