//! Tenants: made, shown, changed and removed.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use pingtalk_capabilities::{TenantId, calls::Body};
use pingtalk_tenancy::{
    control::{Canary, ControlError, TenantBudgets, TenantRecord},
    deploy::public_key,
};
use serde::{Deserialize, Serialize};

use crate::{
    answer::{self, Answer},
    body,
    call::{Admin, Call},
    problem::Problem,
    routes::Action,
};

/// Most variables, secrets or host names of a tenant.
const MAX_ENTRIES: usize = 200;
/// Longest name of a variable or secret, in bytes.
const MAX_NAME_BYTES: usize = 128;
/// Largest value of a variable or secret, in bytes.
const MAX_VALUE_BYTES: usize = 32 * 1024;

/// A tenant without what must not be shown.
#[derive(Serialize)]
struct View {
    name: String,
    hosts: BTreeSet<String>,
    release: Option<String>,
    canary: Option<Canary>,
    variables: BTreeMap<String, String>,
    /// Names only.
    secrets: Vec<String>,
    signers: BTreeSet<String>,
    private_outbound: bool,
    budgets: TenantBudgets,
    suspended: bool,
    created_at: i64,
    changed_at: i64,
}

impl From<TenantRecord> for View {
    fn from(record: TenantRecord) -> Self {
        Self {
            name: record.name,
            hosts: record.hosts,
            release: record.release,
            canary: record.canary,
            variables: record.variables,
            secrets: record.secrets.into_keys().collect(),
            signers: record.signers,
            private_outbound: record.private_outbound,
            budgets: record.budgets,
            suspended: record.suspended,
            created_at: record.created_at,
            changed_at: record.changed_at,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    #[serde(default)]
    signers: Vec<String>,
    #[serde(default)]
    private_outbound: bool,
    #[serde(default)]
    budgets: BTreeMap<String, Option<u64>>,
}

/// What is not named stays as it is.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Patch {
    /// All of them.
    hosts: Option<Vec<String>>,
    /// Those named; null removes one.
    variables: BTreeMap<String, Option<String>>,
    /// All of them.
    signers: Option<Vec<String>>,
    private_outbound: Option<bool>,
    /// Those named; null goes back to the operator's.
    budgets: BTreeMap<String, Option<u64>>,
    suspended: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    value: String,
}

pub(crate) async fn answer(admin: &Admin, call: &Call, body: Body) -> Answer {
    match call.action {
        Action::ListTenants => {
            let tenants = admin.parts.store.tenants().await?;
            answer::ok(&tenants.into_iter().map(View::from).collect::<Vec<_>>())
        }
        Action::CreateTenant => {
            let wanted: Create = body::json(body).await?;
            call.named.get_or_init(|| wanted.name.clone());
            create(admin, wanted).await
        }
        Action::ChangeTenant => {
            let name = call.first().to_owned();
            let record = change(admin, &name, body::json(body).await?).await?;
            followed(admin, &name).await?;
            answer::ok(&View::from(record))
        }
        Action::RemoveTenant => remove(admin, call).await,
        Action::SetSecret => {
            let (tenant, name) = (call.first().to_owned(), call.second().to_owned());
            set_secret(admin, &tenant, &name, body::json(body).await?).await
        }
        Action::RemoveSecret => remove_secret(admin, call.first(), call.second()).await,
        _ => answer::ok(&View::from(admin.parts.store.tenant(call.first()).await?)),
    }
}

async fn create(admin: &Admin, create: Create) -> Answer {
    let patch = Patch {
        hosts: Some(create.hosts),
        variables: create.variables.into_iter().map(|(name, value)| (name, Some(value))).collect(),
        signers: Some(create.signers),
        private_outbound: Some(create.private_outbound),
        budgets: create.budgets,
        suspended: None,
    };
    check(&patch)?;
    admin.parts.store.create_tenant(&create.name).await.map_err(|error| match error {
        ControlError::Invalid(message) => Problem::invalid("name", message),
        other => other.into(),
    })?;
    match change(admin, &create.name, patch).await {
        Ok(record) => {
            followed(admin, &create.name).await?;
            answer::json(StatusCode::CREATED, &View::from(record))
        }
        Err(problem) => {
            // Half a tenant would be in the way of the next attempt.
            admin.parts.store.remove_tenant(&create.name).await?;
            Err(problem)
        }
    }
}

async fn change(admin: &Admin, name: &str, patch: Patch) -> Result<TenantRecord, Problem> {
    check(&patch)?;
    let store = &admin.parts.store;
    let signers = match &patch.signers {
        Some(signers) => {
            let keys: Result<BTreeSet<String>, ControlError> =
                signers.iter().map(|text| public_key(text)).collect();
            Some(keys.map_err(|error| Problem::invalid("signers", error.to_string()))?)
        }
        None => None,
    };
    let claimed = match &patch.hosts {
        Some(wanted) => claim(admin, name, wanted).await?,
        None => Vec::new(),
    };
    let changed = store.change_tenant(name, |record| {
        for (variable, value) in &patch.variables {
            match value {
                Some(value) => record.variables.insert(variable.clone(), value.clone()),
                None => record.variables.remove(variable),
            };
        }
        if record.variables.len() > MAX_ENTRIES {
            return Err(ControlError::Invalid(format!("more than {MAX_ENTRIES} variables")));
        }
        if let Some(signers) = &signers {
            record.signers.clone_from(signers);
        }
        record.budgets.change(&patch.budgets)?;
        record.private_outbound = patch.private_outbound.unwrap_or(record.private_outbound);
        record.suspended = patch.suspended.unwrap_or(record.suspended);
        Ok(())
    });
    let mut record = match changed.await {
        Ok(record) => record,
        Err(error) => {
            give_back(admin, name, &claimed).await?;
            return Err(error.into());
        }
    };
    if let Some(wanted) = &patch.hosts {
        let wanted: BTreeSet<String> = wanted.iter().map(|host| one_form(host)).collect();
        for host in record.hosts.clone().difference(&wanted) {
            record = store.release_host(name, host).await?;
        }
    }
    Ok(record)
}

/// Takes the host names that a tenant does not have yet: all of them, or none. Returns them.
async fn claim(admin: &Admin, name: &str, wanted: &[String]) -> Result<Vec<String>, Problem> {
    let store = &admin.parts.store;
    let had = store.tenant(name).await?.hosts;
    let mut claimed = Vec::new();
    for host in wanted.iter().filter(|host| !had.contains(&one_form(host))) {
        match store.claim_host(name, host).await {
            Ok(_) => claimed.push(host.clone()),
            Err(error) => {
                give_back(admin, name, &claimed).await?;
                return Err(match error {
                    ControlError::Invalid(message) => Problem::invalid("hosts", message),
                    other => other.into(),
                });
            }
        }
    }
    Ok(claimed)
}

async fn give_back(admin: &Admin, name: &str, hosts: &[String]) -> Result<(), ControlError> {
    for host in hosts {
        admin.parts.store.release_host(name, host).await?;
    }
    Ok(())
}

/// A host name as the control store keeps it.
fn one_form(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// The bounds that need no store.
fn check(patch: &Patch) -> Result<(), Problem> {
    for (name, value) in &patch.variables {
        check_value("variables", name, value.as_deref().unwrap_or_default())?;
    }
    let lists = [("hosts", &patch.hosts), ("signers", &patch.signers)];
    match lists.iter().find(|(_, list)| list.as_ref().is_some_and(|l| l.len() > MAX_ENTRIES)) {
        Some((field, _)) => {
            Err(Problem::invalid(field, format!("more than {MAX_ENTRIES} `{field}`")))
        }
        None => Ok(()),
    }
}

fn check_value(field: &str, name: &str, value: &str) -> Result<(), Problem> {
    let fits = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !fits {
        let message = "a name has lower-case letters, digits and underscores, as in the manifest";
        return Err(Problem::invalid(field, message));
    }
    if value.len() > MAX_VALUE_BYTES {
        let message = format!("the value of `{name}` is over {MAX_VALUE_BYTES} bytes");
        return Err(Problem::invalid(field, message));
    }
    Ok(())
}

async fn remove(admin: &Admin, call: &Call) -> Answer {
    let name = call.first();
    if name == TenantId::DEFAULT {
        let message = "the default tenant runs the application in the host's folder and stays";
        return Err(Problem::new(StatusCode::CONFLICT, "default_tenant", message));
    }
    if call.parameter("confirm").as_deref() != Some(name) {
        let message = format!("removing a tenant needs its name once more: ?confirm={name}");
        return Err(Problem::invalid("confirm", message));
    }
    admin.parts.store.remove_tenant(name).await?;
    admin.parts.deployer.follow().await?;
    answer::no_content()
}

async fn set_secret(admin: &Admin, tenant: &str, name: &str, secret: Secret) -> Answer {
    check_value("name", name, &secret.value)?;
    let sealed = admin.parts.key.seal(tenant, name, &secret.value)?;
    let changed = admin.parts.store.change_tenant(tenant, |record| {
        record.secrets.insert(name.to_owned(), sealed.clone());
        if record.secrets.len() > MAX_ENTRIES {
            return Err(ControlError::Invalid(format!("more than {MAX_ENTRIES} secrets")));
        }
        Ok(())
    });
    changed.await?;
    followed(admin, tenant).await?;
    answer::no_content()
}

async fn remove_secret(admin: &Admin, tenant: &str, name: &str) -> Answer {
    let changed =
        admin.parts.store.change_tenant(tenant, |record| match record.secrets.remove(name) {
            Some(_) => Ok(()),
            None => Err(ControlError::NotFound { what: "secret", name: name.to_owned() }),
        });
    changed.await?;
    followed(admin, tenant).await?;
    answer::no_content()
}

/// Brings the change into force here. Other hosts follow within a second.
async fn followed(admin: &Admin, tenant: &str) -> Result<(), Problem> {
    let failures = admin.parts.deployer.follow().await?;
    match failures.into_iter().find(|(name, _)| name == tenant) {
        None => Ok(()),
        Some((_, error)) => {
            let message = format!("the change is stored, but the tenant can't follow it: {error}");
            Err(Problem::new(StatusCode::CONFLICT, "not_followed", message))
        }
    }
}
