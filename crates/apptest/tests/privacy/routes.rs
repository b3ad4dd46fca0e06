//! Every route there is.

use std::collections::BTreeSet;

use cardwire_apptest::routes;

use crate::scene::Reader;
use crate::world::World;

/// As "GET /api/cards/{id}".
pub async fn all(world: &World) -> BTreeSet<String> {
    routes::all(&world.get(Reader::Anonymous, "/api/openapi.json").await.json())
}
