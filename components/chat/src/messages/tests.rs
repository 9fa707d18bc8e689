//! Histories as clients read them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use pingtalk_sdk::fake;

use super::*;
use crate::testing::{Person, World};

fn texts(messages: &[serde_json::Value]) -> Vec<&str> {
    messages.iter().map(|message| message["text"].as_str().unwrap()).collect()
}

fn ten(world: &World) -> (Id, Vec<serde_json::Value>) {
    let chat = world.direct();
    let said = (1..=10).map(|number| world.say(&world.anna, chat, &number.to_string()));
    (chat, said.collect())
}

#[test]
fn the_whole_history_oldest_first() {
    let world = World::new();
    let (chat, said) = ten(&world);
    let answer = world.ask(&world.ben, fake::get(&format!("/messages/{chat}")));
    assert_eq!(answer.json(), json!(said));
    assert_eq!(answer.header("link"), "");
    let empty = world.group();
    assert!(world.history(&world.ben, empty, "").is_empty());
}

#[test]
fn participants_only() {
    let world = World::new();
    let (chat, _) = ten(&world);
    for (who, id, status, message) in [
        (&world.zoe, chat.to_string(), 403, "Not authorized"),
        (&world.anna, world.host.new_id().to_string(), 404, "Chat not found"),
        (&world.anna, "12".to_owned(), 400, "chatId must be a valid id"),
    ] {
        let refused = world.refused(who, fake::get(&format!("/messages/{id}")));
        assert_eq!(refused, (status, message.to_owned()));
    }
}

#[test]
fn pages_backwards_and_forwards() {
    let world = World::new();
    let (chat, said) = ten(&world);
    let page = |query: &str| {
        let answer = world.ask(&world.ben, fake::get(&format!("/messages/{chat}{query}")));
        assert_eq!(answer.status, 200, "{query}: {}", answer.message());
        let messages = answer.json().as_array().unwrap().clone();
        (texts(&messages).join(" "), answer.header("link").to_owned())
    };
    let prev = |seq: &str| format!("</chat/messages/{chat}?before={seq}&limit=4>; rel=\"prev\"");
    let next = |seq: &str| format!("</chat/messages/{chat}?after={seq}&limit=4>; rel=\"next\"");
    assert_eq!(page("?limit=4"), ("7 8 9 10".to_owned(), prev("7")));
    assert_eq!(page("?limit=4&before=7"), ("3 4 5 6".to_owned(), prev("3")));
    assert_eq!(page("?limit=4&before=3"), ("1 2".to_owned(), String::new()));
    assert_eq!(page("?limit=4&after=0"), ("1 2 3 4".to_owned(), next("4")));
    assert_eq!(page("?limit=4&after=8"), ("9 10".to_owned(), String::new()));
    assert_eq!(page("?limit=10"), ("1 2 3 4 5 6 7 8 9 10".to_owned(), String::new()));
    assert_eq!(page("?after=2&before=6").0, "3 4 5");
    let id = said[6]["_id"].as_str().unwrap();
    assert_eq!(page(&format!("?limit=4&before={id}")), ("3 4 5 6".to_owned(), prev("3")));
    // The link as a client follows it: through the gateway, and on the service's own port.
    let link = format!("/chat/messages/{chat}?before=7&limit=4");
    let answer = world.ask(&world.ben, fake::get(&link));
    assert_eq!(answer.json().as_array().unwrap().len(), 4);
}

#[test]
fn odd_parameters_are_refused() {
    let world = World::new();
    let (chat, _) = ten(&world);
    let elsewhere = world.say(&world.anna, world.group(), "x")["_id"].clone();
    let elsewhere = elsewhere.as_str().unwrap();
    let cursor = "before must be a sequence number or the id of a message";
    let limit = "limit must be a number from 1 to 1000";
    for (query, message) in [
        ("limit=0".to_owned(), limit),
        ("limit=1001".to_owned(), limit),
        ("limit=-1".to_owned(), limit),
        ("limit=x".to_owned(), limit),
        ("limit=1&limit=2".to_owned(), "limit must be given only once"),
        ("limit[$gt]=1".to_owned(), "limit must be given only once"),
        ("before=".to_owned(), cursor),
        ("before=-1".to_owned(), cursor),
        ("before=%2B1".to_owned(), cursor),
        ("before=99999999999999999999".to_owned(), cursor),
        (format!("before={}", world.host.new_id()), cursor),
        (format!("before={elsewhere}"), cursor),
        ("inline=no".to_owned(), "inline must be true or false"),
    ] {
        let refused = world.refused(&world.anna, fake::get(&format!("/messages/{chat}?{query}")));
        assert_eq!(refused, (400, message.to_owned()), "{query}");
    }
}

fn with_file(world: &World, who: &Person, chat: Id, bytes: &[u8]) -> serde_json::Value {
    let form = fake::post("/send-file")
        .form(&[("chatId", &chat.to_string())], Some(("file", "a {b}.bin", bytes)));
    let answer = world.ask(who, form);
    assert_eq!(answer.status, 201, "{}", answer.message());
    answer.json()
}

#[test]
fn files_are_inline_unless_not_wanted() {
    let world = World::new();
    let chat = world.direct();
    let said = [
        world.say(&world.anna, chat, "before"),
        with_file(&world, &world.anna, chat, b"abc"),
        with_file(&world, &world.ben, chat, b""),
        world.say(&world.anna, chat, "{\"file\":{\"data\":\"\"}}"),
    ];
    assert_eq!(world.history(&world.ben, chat, ""), said);
    assert_eq!(world.history(&world.ben, chat, "?inline=true&limit=2"), said[2..]);
    let without = world.history(&world.ben, chat, "?inline=false");
    assert_eq!(without[0], said[0]);
    let id = said[1]["_id"].as_str().unwrap();
    assert_eq!(
        without[1]["file"],
        json!({
            "name": "a {b}.bin",
            "mimeType": "application/octet-stream",
            "size": 3,
            "url": format!("/chat/files/{id}"),
        })
    );
}

#[test]
fn a_page_is_bounded_in_bytes() {
    let world = World::new();
    let chat = world.direct();
    let large = vec![1_u8; 5 * 1024 * 1024];
    for _ in 0..6 {
        with_file(&world, &world.anna, chat, &large);
    }
    let answer = world.ask(&world.ben, fake::get(&format!("/messages/{chat}")));
    let sequences: Vec<_> =
        answer.json().as_array().unwrap().iter().map(|m| m["seq"].clone()).collect();
    assert_eq!(sequences, [3, 4, 5, 6]);
    assert_eq!(answer.header("link"), format!("</chat/messages/{chat}?before=3>; rel=\"prev\""));
    assert_eq!(world.history(&world.ben, chat, "?inline=false").len(), 6);
    let long = "x".repeat(crate::message::MAX_TEXT_BYTES);
    let group = world.group();
    for _ in 0..70 {
        world.say(&world.anna, group, &long);
    }
    let answer = world.ask(&world.ben, fake::get(&format!("/messages/{group}")));
    assert_eq!(answer.json().as_array().unwrap().len(), 63);
    assert!(answer.header("link").contains("before=8>"));
}

#[test]
fn what_the_original_wrote_comes_first_by_its_time() {
    let world = World::new();
    let chat = world.direct();
    let original = |text: &str| Message {
        id: world.host.new_id(),
        chat_id: chat,
        sender_id: world.ben.id,
        text: Some(text.to_owned()),
        file: None,
        read_by: vec![world.ben.id],
        seq: None,
        client_message_id: None,
        created_at: world.host.platform().now(),
        updated_at: world.host.platform().now(),
        client_key: None,
    };
    for text in ["a", "b", "c"] {
        world.host.advance(std::time::Duration::from_millis(5));
        world.host.insert(&MESSAGES, &original(text));
    }
    let last = world.messages()[2].id;
    World::change_chats(&world.host, Changes::new().set("lastMessage", last));
    assert_eq!(texts(&world.history(&world.anna, chat, "")), ["a", "b", "c"]);
    world.say(&world.anna, chat, "d");
    world.say(&world.anna, chat, "e");
    let all = world.history(&world.anna, chat, "");
    assert_eq!(texts(&all), ["a", "b", "c", "d", "e"]);
    assert_eq!(all[0].get("seq"), None);
    assert_eq!(all[3]["seq"], 1);
    // Pages cross from one kind to the other.
    let newest = world.ask(&world.anna, fake::get(&format!("/messages/{chat}?limit=3")));
    assert_eq!(texts(newest.json().as_array().unwrap()), ["c", "d", "e"]);
    let c = all[2]["_id"].as_str().unwrap();
    assert!(newest.header("link").contains(&format!("before={c}&limit=3")));
    let page = |query: &str| texts(&world.history(&world.anna, chat, query)).join("");
    assert_eq!(page(&format!("?before={c}")), "ab");
    assert_eq!(page(&format!("?after={c}")), "de");
    assert_eq!(page(&format!("?after={c}&limit=1")), "d");
    let a = all[0]["_id"].as_str().unwrap();
    assert_eq!(page(&format!("?after={a}&limit=3")), "bcd");
    assert_eq!(page("?before=2"), "abcd");
}

#[test]
fn pages_pass_through_a_crowded_millisecond() {
    let world = World::new();
    let chat = world.direct();
    let now = world.host.platform().now();
    for number in 0..250 {
        let message = Message {
            id: world.host.new_id(),
            chat_id: chat,
            sender_id: world.ben.id,
            text: Some(number.to_string()),
            file: None,
            read_by: Vec::new(),
            seq: None,
            client_message_id: None,
            created_at: now,
            updated_at: now,
            client_key: None,
        };
        world.host.insert(&MESSAGES, &message);
    }
    World::change_chats(&world.host, Changes::new().set("allNumbered", false));
    for limit in [1, 7, 120] {
        let mut seen = Vec::new();
        let mut path = format!("/messages/{chat}?limit={limit}");
        loop {
            let answer = world.ask(&world.anna, fake::get(&path));
            let page = answer.json().as_array().unwrap().clone();
            assert!(page.len() <= limit);
            let mut page: Vec<String> = texts(&page).into_iter().map(str::to_owned).collect();
            page.append(&mut seen);
            seen = page;
            let link = answer.header("link");
            let Some((target, _)) = link.split_once('>') else { break };
            path = target.trim_start_matches('<').to_owned();
        }
        seen.sort_by_key(|text| text.parse::<u32>().unwrap());
        let all: Vec<String> = (0..250).map(|number| number.to_string()).collect();
        assert_eq!(seen, all, "limit {limit}");
    }
}

#[test]
fn a_file_of_the_originals_that_is_no_base64_is_still_json() {
    let world = World::new();
    let chat = world.direct();
    with_file(&world, &world.anna, chat, b"abc");
    let change = Transaction::new().update(
        &MESSAGES,
        Filter::everything(),
        Changes::new().set("file.data", "not \"base64\"\n"),
    );
    fake::block_on(world.host.platform().commit(change)).unwrap();
    assert_eq!(world.history(&world.ben, chat, "")[0]["file"]["data"], "not \"base64\"\n");
}
