//! Accounts: sign-up, login, logout, passwords, and finding a user by e-mail.
//!
//! This component alone writes `authDB.auths`, and so alone decides which sessions count; every
//! service checks them. What others need to know of a new user goes out as the event
//! `auth.user.created`.

mod account;
mod attempts;
mod change_password;
mod email;
#[cfg(test)]
mod fixtures;
mod get_user_by_email;
mod login;
mod logout;
mod name;
mod password;
mod signup;

use pingtalk_sdk::Router;

pingtalk_sdk::service! { http: routes }

fn routes() -> Router {
    Router::new()
        .post("/signup", signup::signup)
        .post("/login", login::login)
        .post("/logout", logout::logout)
        .patch("/changePassword", change_password::change_password)
        .get("/getUserByEmail", get_user_by_email::get_user_by_email)
}
