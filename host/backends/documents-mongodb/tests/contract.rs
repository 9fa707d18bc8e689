//! The documents contract, met with MongoDB.
#![allow(clippy::unwrap_used)]

use bson::doc;
use pingtalk_contract::servers::mongodb;
use pingtalk_documents_mongodb::{Config, MongoDocuments};

/// True for FerretDB, which stands in for MongoDB where there is none.
async fn ferretdb() -> bool {
    let client = mongodb::Client::with_uri_str(mongodb()).await.unwrap();
    let info = client.database("admin").run_command(doc! {"buildInfo": 1}).await.unwrap();
    info.keys().any(|name| name.starts_with("ferretdb"))
}

pingtalk_contract::documents!(
    async { (MongoDocuments::new(Config::new(mongodb())).unwrap(), ()) },
    stand_in: ferretdb()
);
