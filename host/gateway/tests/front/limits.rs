//! The rate limit, the bound on connections, and the counters.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use pingtalk_capabilities::limits::{LimitError, LimitRule, SharedLimits};
use pingtalk_gateway::{Config, Match, RateLimit, RateRule, Route, Site};

use crate::support::{Answer, Front, handler, says, text};

fn limited_site(limit: &Arc<RateLimit>) -> Site {
    let limited = |prefix: &str| {
        let mut route = Route::service(prefix, says("ok"));
        route.rate_limit = Some(Arc::clone(limit));
        route
    };
    Site::new(vec![
        limited("/auth"),
        limited("/profile"),
        limited("/request"),
        Route::service("/chat", says("ok")),
    ])
    .with_health()
}

#[tokio::test]
async fn of_forty_at_once_over_three_services_twenty_one_pass() {
    // The rule of the contract, slowed down so that no request can trickle in meanwhile.
    let rule = RateRule { per_second: 1, ..RateRule::default() };
    let front = Front::start(Config::default(), limited_site(&Arc::new(RateLimit::new(rule))));
    let mut connection = front.connect().await;
    let mut statuses = Vec::new();
    for number in 0..40 {
        let prefix = ["auth", "profile", "request"][number % 3];
        connection.send(format!("GET /{prefix}/x HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        let answer = connection.answer().await;
        if answer.status == 429 {
            assert_eq!(answer.message(), "Too many requests, please try again later");
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 21);
    assert!(statuses[21..].iter().all(|status| *status == 429));
    for path in ["/chat/x", "/health"] {
        assert_eq!(front.get(path).await.status, 200, "{path} is not limited");
    }
    // A preflight does not count, and is not refused.
    assert_eq!(front.gateway.metrics().snapshot().rate_limited, 19);
}

#[tokio::test]
async fn another_address_has_a_bucket_of_its_own() {
    let rule = RateRule { burst: 0, per_second: 1, ..RateRule::default() };
    let config =
        Config { trusted_proxies: vec!["127.0.0.1".parse().unwrap()], ..Config::default() };
    let front = Front::start(config, limited_site(&Arc::new(RateLimit::new(rule))));
    let ask = async |address: &str| {
        front.ask("GET /auth/x", &[&format!("x-forwarded-for: {address}")], b"").await.status
    };
    assert_eq!(ask("1.1.1.1").await, 200);
    assert_eq!(ask("1.1.1.1").await, 429);
    assert_eq!(ask("1.1.1.2").await, 200);
    assert_eq!(ask("2001:db8::1").await, 200);
    assert_eq!(ask("2001:db8::2").await, 429, "one /64, one bucket");
}

/// A count that several gateways share, until it goes away.
struct Together {
    taken: AtomicU32,
    away_from: u32,
}

#[async_trait]
impl SharedLimits for Together {
    async fn take(
        &self,
        _bucket: &str,
        _client: &str,
        rule: LimitRule,
    ) -> Result<Result<(), Duration>, LimitError> {
        let taken = self.taken.fetch_add(1, Relaxed);
        if taken >= self.away_from {
            return Err(LimitError::Unavailable("away".to_owned()));
        }
        Ok(if taken > rule.burst { Err(Duration::from_millis(1_500)) } else { Ok(()) })
    }
}

fn together(away_from: u32) -> Arc<dyn SharedLimits> {
    Arc::new(Together { taken: AtomicU32::new(0), away_from })
}

/// Two gateways with limits of their own and one in common.
fn two_hosts(limits: &Arc<dyn SharedLimits>) -> [Front; 2] {
    [(); 2].map(|()| {
        let rule = RateRule { per_second: 1, ..RateRule::default() };
        let limit = RateLimit::new(rule).shared(Arc::clone(limits), "services");
        Front::start(Config::default(), limited_site(&Arc::new(limit)))
    })
}

#[tokio::test]
async fn hosts_that_share_a_limit_let_as_many_pass_as_one() {
    let hosts = two_hosts(&together(u32::MAX));
    let mut passed = 0;
    for number in 0..40 {
        let answer = hosts[number % 2].get("/auth/x").await;
        if answer.status == 429 {
            assert_eq!(answer.message(), "Too many requests, please try again later");
            assert_eq!(answer.header("retry-after"), Some("2"));
        } else {
            passed += 1;
        }
    }
    assert_eq!(passed, 21);
    assert_eq!(hosts[0].get("/chat/x").await.status, 200, "not limited");
    let figures = hosts.map(|host| host.gateway.metrics().snapshot());
    assert_eq!(figures[0].rate_limited + figures[1].rate_limited, 19);
    assert_eq!(figures[0].limited_alone + figures[1].limited_alone, 0);
}

#[tokio::test]
async fn while_the_shared_limit_is_away_each_host_limits_by_itself() {
    let hosts = two_hosts(&together(0));
    for host in &hosts {
        let mut passed = 0;
        for _ in 0..40 {
            passed += u32::from(host.get("/auth/x").await.status == 200);
        }
        assert!((21..=22).contains(&passed), "{passed}: one more if this took a second");
        let figures = host.gateway.metrics().snapshot();
        assert_eq!(figures.limited_alone, u64::from(passed), "none of them failed");
    }
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let config = Config { max_connections: 2, ..Config::default() };
    let front = Front::start(config, Site::new(vec![]).with_health());
    let mut first = front.connect().await;
    let mut second = front.connect().await;
    for connection in [&mut first, &mut second] {
        connection.send("GET /health HTTP/1.1\r\nhost: test\r\n\r\n").await;
        assert_eq!(connection.answer().await.status, 200);
    }
    let refused = Answer::parse(&front.connect().await.rest().await);
    assert_eq!(refused.status, 503);
    assert_eq!(refused.message(), "Service unavailable, please try again later");
    assert_eq!(refused.header("retry-after"), Some("1"));
    let figures = front.gateway.metrics().snapshot();
    assert_eq!((figures.connections, figures.refused), (2, 1));

    drop(first);
    // The gateway learns of the closed connection a moment later.
    let mut status = 503;
    for _ in 0..100 {
        if let Some(answer) = Some(front.get("/health").await)
            && answer.status == 200
        {
            status = 200;
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(status, 200, "a place became free");
}

#[tokio::test]
async fn routes_are_counted_by_status_class() {
    let site = Arc::new(Site::new(vec![Route::service(
        "/a",
        handler(|_, request| async move {
            let mut response = text("x");
            if request.uri().path() == "/bad" {
                *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
            }
            Ok(response)
        }),
    )]));
    let sites = Arc::new(pingtalk_gateway::OneSite(Arc::clone(&site)));
    let front = Front::serve(pingtalk_gateway::Gateway::new(Config::default(), sites));
    for path in ["/a/x", "/a/bad", "/a/y", "/b"] {
        front.get(path).await;
    }
    let route = &site.routes()[0];
    assert_eq!(route.matches, Match::Below("/a".to_owned()));
    let statuses: Vec<u64> = route.metrics.statuses.iter().map(|c| c.load(Relaxed)).collect();
    assert_eq!(statuses, [0, 2, 0, 1, 0]);
    assert_eq!(route.metrics.requests(), 3);
    let figures = front.gateway.metrics().snapshot();
    assert_eq!((figures.unrouted, figures.in_flight, figures.accepted), (1, 0, 4));
}

#[test]
fn cores_share_a_port_and_the_limit() {
    let rule = RateRule { per_second: 1, ..RateRule::default() };
    let site = limited_site(&Arc::new(RateLimit::new(rule)));
    let sites = Arc::new(pingtalk_gateway::OneSite(Arc::new(site)));
    let gateway = pingtalk_gateway::Gateway::new(Config::default(), sites);
    let listeners = pingtalk_gateway::bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
    let address = listeners[0].local_addr().unwrap();
    let mut stops = Vec::new();
    let cores: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            let gateway = gateway.clone();
            let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
            stops.push(stop);
            std::thread::spawn(move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(gateway.serve(listener, async move { drop(stopped.await) }))
            })
        })
        .collect();
    let passed = (0..40)
        .filter(|_| {
            use std::io::{Read, Write};
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            let head = b"GET /auth/x HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n";
            stream.write_all(head).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            Answer::parse(&text).status == 200
        })
        .count();
    assert!((21..=22).contains(&passed), "{passed}: one more if this took a second");
    drop(stops);
    for core in cores {
        core.join().unwrap().unwrap();
    }
    let figures = gateway.metrics().snapshot();
    assert_eq!((figures.accepted, figures.connections), (40, 0));
}
