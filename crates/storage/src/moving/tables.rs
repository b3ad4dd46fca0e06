//! What is moved: tables and their columns, and how a value travels as JSON.

/// How a column's values travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 32 hexadecimal digits.
    Id,
    /// Hexadecimal digits.
    Bytes,
    Text,
    Int,
    Bool,
    /// Microseconds since 1970.
    Time,
    /// Days since 1970.
    Day,
    Json,
    /// The position of an activity.
    Position,
    BytesList,
    IdList,
    TimeList,
}

/// A column of both, unless `here` says how the file has it.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) here: Option<&'static str>,
}

pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// What orders its rows, the same way in both.
    pub(crate) key: &'static str,
    pub(crate) columns: &'static [Column],
    /// The database has rows of its own, which the file's replace.
    pub(crate) is_seeded: bool,
    /// Its column `id` is numbered by the database.
    pub(crate) is_numbered: bool,
    /// Rows that travel together.
    pub(crate) portion: usize,
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, here: None }
}

const fn read_as(name: &'static str, kind: Kind, here: &'static str) -> Column {
    Column { name, kind, here: Some(here) }
}

const fn table(name: &'static str, key: &'static str, columns: &'static [Column]) -> Table {
    Table { name, key, columns, is_seeded: false, is_numbered: false, portion: 1_000 }
}

const fn seeded(table: Table) -> Table {
    Table { is_seeded: true, ..table }
}

const fn numbered(table: Table) -> Table {
    Table { is_numbered: true, ..table }
}

/// Its rows hold many bytes.
const fn heavy(table: Table) -> Table {
    Table { portion: 20, ..table }
}

/// Of an activity, from the rows that the file has for them.
macro_rules! members {
    ($value:literal) => {
        concat!(
            "(SELECT json_group_array(value) FROM (SELECT ",
            $value,
            " AS value FROM activity_members WHERE activity_id = activities.id ORDER BY occurred_at, event_id))"
        )
    };
}

use Kind::{Bool, Bytes, BytesList, Day, Id, IdList, Int, Json, Position, Text, Time, TimeList};

/// In the order in which references allow them to be filled. What search finds by is not among them: it follows from the cards.
pub(crate) const TABLES: &[Table] = &[
    table(
        "users",
        "id",
        &[
            column("id", Text),
            column("handle", Text),
            column("password_hash", Text),
            column("is_admin", Bool),
            column("suspended_at", Time),
            column("deleted_at", Time),
            column("created_at", Time),
        ],
    ),
    table(
        "leaving",
        "user_id",
        &[
            column("user_id", Text),
            column("requested_at", Time),
            column("stage", Text),
            column("behind", Id),
            column("audit_id", Int),
        ],
    ),
    table(
        "sessions",
        "id",
        &[
            column("id", Id),
            column("user_id", Text),
            column("access_hash", Bytes),
            column("access_expires_at", Time),
            column("refresh_hash", Bytes),
            column("refresh_expires_at", Time),
            read_as(
                "spent_refresh",
                BytesList,
                "(SELECT json_group_array(lower(hex(hash))) FROM \
                  (SELECT hash FROM spent_refresh WHERE session_id = sessions.id ORDER BY hash))",
            ),
            column("last_seen_at", Time),
            column("client", Text),
            column("created_at", Time),
        ],
    ),
    table(
        "api_tokens",
        "id",
        &[
            column("id", Id),
            column("user_id", Text),
            column("name", Text),
            column("scope", Text),
            column("token_hash", Bytes),
            column("created_at", Time),
            column("expires_at", Time),
            column("last_used_at", Time),
        ],
    ),
    table(
        "invites",
        "code_hash",
        &[
            column("code_hash", Bytes),
            column("created_by", Text),
            column("created_at", Time),
            column("expires_at", Time),
            column("used_by", Text),
            column("used_at", Time),
        ],
    ),
    table(
        "password_resets",
        "token_hash",
        &[column("token_hash", Bytes), column("user_id", Text), column("expires_at", Time)],
    ),
    table(
        "profiles",
        "user_id",
        &[
            column("user_id", Text),
            column("display_name", Text),
            column("bio", Text),
            column("default_visibility", Text),
            column("created_at", Time),
        ],
    ),
    // Without the sign-ins under way: whoever is in the middle of one begins again.
    table(
        "atproto_connections",
        "user_id",
        &[
            column("user_id", Text),
            column("did", Text),
            column("handle", Text),
            column("service", Text),
            column("kind", Text),
            column("session", Bytes),
            column("version", Int),
            column("ended", Text),
            column("last_error", Text),
            column("lease", Id),
            column("lease_until", Time),
            column("connected_at", Time),
        ],
    ),
    table(
        "cards",
        "id",
        &[
            column("id", Id),
            column("owner_id", Text),
            column("url", Text),
            column("normalised_url", Text),
            column("url_digest", Bytes),
            column("via", Id),
            column("library_link", Id),
            column("library_at", Time),
            column("imported", Bool),
            column("private", Bool),
            column("hidden", Bool),
            column("identity_version", Int),
            column("former_digest", Bytes),
            column("title", Text),
            column("created_at", Time),
        ],
    ),
    table("notes", "card_id", &[column("card_id", Id), column("id", Id), column("text", Text)]),
    table(
        "collections",
        "id",
        &[
            column("id", Id),
            column("author_id", Text),
            column("name", Text),
            column("description", Text),
            column("access", Text),
            column("private", Bool),
            column("version", Int),
            column("created_at", Time),
            column("updated_at", Time),
            column("deleted_at", Time),
            column("import_id", Id),
        ],
    ),
    table("collaborators", "collection_id, user_id", &[column("collection_id", Id), column("user_id", Text)]),
    table(
        "invitations",
        "collection_id, user_id",
        &[column("collection_id", Id), column("user_id", Text), column("invited_at", Time)],
    ),
    table(
        "blocks",
        "user_id, blocked_id",
        &[column("user_id", Text), column("blocked_id", Text), column("blocked_at", Time)],
    ),
    table(
        "links",
        "id",
        &[
            column("id", Id),
            column("card_id", Id),
            column("collection_id", Id),
            column("added_at", Time),
            column("private", Bool),
        ],
    ),
    table(
        "idempotency_keys",
        "user_id, key",
        &[
            column("user_id", Text),
            column("key", Text),
            column("fingerprint", Text),
            column("answer", Json),
            column("created_at", Time),
        ],
    ),
    table(
        "events",
        "id",
        &[
            column("id", Id),
            column("type", Text),
            column("envelope", Json),
            column("occurred_at", Time),
            column("told", Bool),
        ],
    ),
    table(
        "deliveries",
        "event_id, queue",
        &[
            column("event_id", Id),
            column("queue", Text),
            column("occurred_at", Time),
            column("due_at", Time),
            column("published_at", Time),
            column("sweeps", Int),
            column("tries", Int),
            column("dead_at", Time),
            column("error", Text),
            column("error_group", Text),
            column("failed_at", Time),
        ],
    ),
    numbered(table(
        "delivery_steps",
        "id",
        &[
            column("id", Int),
            column("queue", Text),
            column("event_id", Id),
            column("at", Time),
            column("kind", Text),
            column("detail", Text),
        ],
    )),
    numbered(table(
        "rejected_entries",
        "id",
        &[column("id", Int), column("queue", Text), column("raw", Text), column("reason", Text), column("at", Time)],
    )),
    seeded(table("event_log_horizon", "pruned_until", &[column("pruned_until", Time)])),
    table(
        "activities",
        "id",
        &[
            column("id", Id),
            column("card_id", Id),
            column("actor_id", Text),
            column("created_at", Time),
            column("window_start", Time),
            read_as("epoch", Position, "position"),
            read_as("event_ids", IdList, members!("lower(hex(event_id))")),
            read_as("occurred_ats", TimeList, members!("occurred_at")),
            read_as("link_ids", IdList, members!("lower(hex(link_id))")),
            read_as(
                "collection_ids",
                IdList,
                members!("CASE WHEN collection_id IS NOT NULL THEN lower(hex(collection_id)) END"),
            ),
        ],
    ),
    table(
        "pages",
        "url_digest",
        &[
            column("url_digest", Bytes),
            column("keeper", Text),
            column("url", Text),
            column("host", Text),
            column("state", Text),
            column("reason", Text),
            column("retryable", Bool),
            column("tries", Int),
            column("next_fetch_at", Time),
            column("not_before", Time),
            column("lease", Id),
            column("fetched_at", Time),
            column("title", Text),
            column("description", Text),
            column("image", Text),
            column("icon_url", Text),
            column("cover", Bytes),
            column("cover_width", Int),
            column("cover_height", Int),
            column("icon", Bytes),
            column("pictures_at", Time),
            column("pictures_lease", Id),
            column("pictures_tries", Int),
            column("pictured_at", Time),
            column("site_name", Text),
            column("author", Text),
            column("kind", Text),
            column("language", Text),
            column("turn", Int),
            column("asked_by", Text),
            column("domain", Text),
            column("by_person", Int),
            column("by_domain", Int),
        ],
    ),
    heavy(table(
        "pictures",
        "hash",
        &[
            column("hash", Bytes),
            column("kind", Text),
            column("width", Int),
            column("height", Int),
            column("bytes", Bytes),
            column("kept_at", Time),
        ],
    )),
    // Those that were not looked at yet have no time here.
    numbered(table(
        "pictures_dropped",
        "id",
        &[column("id", Int), column("hash", Bytes), read_as("at", Time, "ifnull(at, 0)")],
    )),
    table(
        "daily_totals",
        "day",
        &[column("day", Day), column("saves", Int), column("active_curators", Int), column("new_cards", Int)],
    ),
    table("daily_curators", "day, user_id", &[column("day", Day), column("user_id", Text)]),
    table(
        "trend_days",
        "subject, key, day",
        &[column("subject", Text), column("key", Bytes), column("day", Day), column("saves", Int)],
    ),
    table(
        "trends",
        "subject, key",
        &[
            column("subject", Text),
            column("key", Bytes),
            column("total", Int),
            column("d7", Int),
            column("d30", Int),
            column("d90", Int),
            column("d366", Int),
            column("domain", Text),
            column("kind", Text),
        ],
    ),
    seeded(table("trend_windows", "days", &[column("days", Int), column("from_day", Day)])),
    numbered(table(
        "audit_log",
        "id",
        &[
            column("id", Int),
            column("at", Time),
            column("person", Text),
            column("action", Text),
            column("queue", Text),
            column("target", Text),
            column("parameters", Json),
            column("affected", Int),
            column("completed_at", Time),
        ],
    )),
    table(
        "queue_pauses",
        "queue",
        &[
            column("queue", Text),
            column("paused_at", Time),
            column("person", Text),
            column("reason", Text),
            column("resumed_at", Time),
        ],
    ),
    table("queue_totals", "queue", &[column("queue", Text), column("processed", Int), column("failed", Int)]),
    seeded(table("sample_turn", "at", &[column("at", Time)])),
    table(
        "queue_samples",
        "queue, at",
        &[
            column("queue", Text),
            column("at", Time),
            column("waiting", Int),
            column("in_flight", Int),
            column("suspects", Int),
            column("workers", Int),
            column("owed", Int),
            column("unpublished", Int),
            column("dead", Int),
            column("oldest_age_s", Int),
            column("processed", Int),
            column("failed", Int),
        ],
    ),
    table(
        "queue_latencies",
        "queue, at, up_to_ms",
        &[column("queue", Text), column("at", Time), column("up_to_ms", Int), column("events", Int)],
    ),
    table(
        "worker_samples",
        "worker, at",
        &[
            column("worker", Id),
            column("at", Time),
            column("queue", Text),
            column("host", Text),
            column("pid", Int),
            column("processed", Int),
            column("in_flight", Int),
        ],
    ),
    numbered(table(
        "search_rebuilds",
        "id",
        &[
            column("id", Int),
            column("requested_by", Text),
            column("requested_at", Time),
            column("started_at", Time),
            column("finished_at", Time),
            column("error", Text),
            column("after_card", Id),
            column("done", Int),
            column("total", Int),
            column("lease", Id),
            column("lease_until", Time),
        ],
    )),
    numbered(table(
        "replays",
        "id",
        &[
            column("id", Int),
            column("queue", Text),
            column("from_at", Time),
            column("until_at", Time),
            column("type", Text),
            column("card_id", Id),
            column("person", Text),
            column("requested_by", Text),
            column("requested_at", Time),
            column("started_at", Time),
            column("finished_at", Time),
            column("cancelled", Bool),
            column("error", Text),
            column("after_event", Id),
            column("after_day", Day),
            column("done", Int),
            column("total", Int),
            column("lease", Id),
            column("lease_until", Time),
        ],
    )),
    table(
        "imports",
        "id",
        &[
            column("id", Id),
            column("owner_id", Text),
            column("file_name", Text),
            column("collection_id", Id),
            column("is_check", Bool),
            column("total", Int),
            column("saved", Int),
            column("known", Int),
            column("refused", Int),
            column("remarked", Int),
            column("undo_at", Time),
            column("undone_at", Time),
            column("undo_behind", Int),
            column("undone", Int),
            column("kept", Int),
            column("begun_at", Time),
            column("received_at", Time),
            column("finished_at", Time),
            column("lease", Id),
            column("next_at", Time),
        ],
    ),
    table(
        "import_rows",
        "import_id, number",
        &[
            column("import_id", Id),
            column("number", Int),
            column("url", Text),
            column("title", Text),
            column("note", Text),
            column("added_at", Time),
            column("collections", Json),
            column("visibilities", Json),
            column("private", Bool),
            column("remark", Text),
            column("same_as", Int),
            column("outcome", Text),
            column("card_id", Id),
            column("reason", Text),
            column("fingerprint", Int),
            column("undone", Bool),
        ],
    ),
    table(
        "record_people",
        "person_id",
        &[
            column("person_id", Text),
            column("did", Text),
            column("is_new", Bool),
            column("state", Text),
            column("reason", Text),
            column("failures", Int),
            column("failing_since", Time),
            column("paused_until", Time),
            column("due_at", Time),
            column("lease", Id),
            column("leased_until", Time),
            column("turned_at", Time),
            column("hour_at", Time),
            column("hour_points", Int),
            column("day_at", Time),
            column("day_points", Int),
            column("connected_at", Time),
        ],
    ),
    table(
        "records",
        "person_id, kind, subject_id",
        &[
            column("person_id", Text),
            column("kind", Int),
            column("subject_id", Id),
            column("did", Text),
            column("nsid", Text),
            column("rkey", Text),
            column("cid", Text),
            column("digest", Bytes),
            column("in_doubt", Bool),
            column("card_id", Id),
            column("collection_id", Id),
            column("published_at", Time),
        ],
    ),
    table(
        "record_owed",
        "person_id, kind, subject_id",
        &[
            column("person_id", Text),
            column("kind", Int),
            column("subject_id", Id),
            column("stamp", Int),
            column("not_before", Time),
        ],
    ),
    table(
        "record_removals",
        "link_id",
        &[
            column("link_id", Id),
            column("owner_id", Text),
            column("adder_id", Text),
            column("collection_id", Id),
            column("link_uri", Text),
            column("link_cid", Text),
            column("removed_at", Time),
        ],
    ),
];
