//! Releases: deployed, taken back, put on trial, compared.

use http::StatusCode;
use pingtalk_capabilities::calls::Body;
use pingtalk_tenancy::deploy::Deployment;
use serde::Deserialize;
use serde_json::json;

use crate::{
    answer::{self, Answer},
    body,
    call::{Admin, Call},
    problem::Problem,
    routes::Action,
};

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Rollback {
    /// A release; none: the one in force before this one.
    to: Option<String>,
}

pub(crate) async fn answer(admin: &Admin, call: &Call, body: Body) -> Answer {
    let (store, deployer) = (&admin.parts.store, &admin.parts.deployer);
    let (tenant, by) = (call.first().to_owned(), call.by.clone());
    match call.action {
        Action::Deploy => {
            let deployment: Deployment = body::json(body).await?;
            let report = deployer.deploy(&tenant, &deployment, &by).await?;
            let status = if report.deployed { StatusCode::CREATED } else { StatusCode::OK };
            answer::json(status, &report)
        }
        Action::Rollback => {
            let Rollback { to } = body::json(body).await?;
            let release = deployer.rollback(&tenant, to.as_deref(), &by).await?;
            answer::ok(&json!({ "tenant": tenant, "release": release }))
        }
        Action::PromoteCanary | Action::CancelCanary => {
            let promote = call.action == Action::PromoteCanary;
            let release = deployer.end_trial(&tenant, promote, &by).await?;
            answer::ok(&json!({ "tenant": tenant, "release": release, "promoted": promote }))
        }
        Action::ListReleases => {
            let record = store.tenant(&tenant).await?;
            let list = store.releases(&tenant).await?.into_iter().map(|release| {
                let canary = record.canary.as_ref().filter(|canary| canary.release == release.id);
                json!({
                    "id": release.id,
                    "components": release.components,
                    "created_at": release.created_at,
                    "created_by": release.created_by,
                    "in_force": record.release.as_ref() == Some(&release.id),
                    "canary": canary.map(|canary| canary.percent),
                })
            });
            answer::ok(&list.collect::<Vec<_>>())
        }
        Action::ShowRelease => answer::ok(&store.release(&tenant, call.second()).await?),
        Action::ListDeployments => {
            store.tenant(&tenant).await?;
            answer::ok(&store.deployments(&tenant).await?)
        }
        _ => {
            let named = |name: &str| {
                call.parameter(name).ok_or_else(|| {
                    Problem::invalid(name, format!("`{name}` is a release: ?{name}=ID"))
                })
            };
            answer::ok(&deployer.diff(&tenant, &named("from")?, &named("to")?).await?)
        }
    }
}
