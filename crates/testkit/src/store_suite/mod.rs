//! What every store must do, whatever it keeps its data in: one case per promise of the ports.
//!
//! `store_suite!` expands to one named test for each case. Every case gets stores of its own, empty:
//!
//! ```text
//! async fn stores() -> anyhow::Result<Stores> { … }
//! cardwire_testkit::store_suite!(stores, (start_paused = true));
//! ```
//!
//! The second argument is what `tokio::test` is given; `()` if nothing. Cases run over any runtime. They read time only
//! off what the store answers, and turn it only with the [`TimeMachine`], so that a store may stand still in between or not.

pub mod activities;
pub mod attempts;
pub mod bringing;
pub mod collecting;
pub mod connecting;
pub mod counting;
pub mod dead_letters;
pub mod exporting;
pub mod failures;
pub mod feeds;
pub mod fetching;
pub mod finding;
pub mod first_account;
pub mod idempotency;
pub mod identity;
pub mod imports;
pub mod latencies;
pub mod leaving;
pub mod ledger;
pub mod library;
pub mod membership;
pub mod names;
pub mod operating;
pub mod pages;
pub mod pictures;
pub mod private_pages;
pub mod public;
pub mod publishing;
pub mod quotas;
pub mod refusals;
pub mod replaying;
pub mod saving;
pub mod scene;
pub mod searching;
pub mod stream;
pub mod titles;
pub mod truth;
pub mod undoing;
pub mod visibility;
pub mod wording;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::account_store::AccountStore;
use cardwire_domain::analytics::Analytics;
use cardwire_domain::collection::CollectionRepository;
use cardwire_domain::feed::FeedRepository;
use cardwire_domain::imports::ImportRepository;
use cardwire_domain::library::LibraryRepository;
use cardwire_domain::metadata::PageRepository;
use cardwire_domain::pictures::PictureRepository;
use cardwire_domain::public::PublicRepository;
use cardwire_domain::records::RecordRepository;
use cardwire_domain::search::SearchIndex;
use cardwire_domain::{EventId, Store};
use cardwire_events::{EventLog, Finder, Operator, Rebuilds, Replays, WorkHistory};
use jiff::Timestamp;

/// What a case comes to: it fails by an error or by a panic of an assertion.
pub type Tested = anyhow::Result<()>;

/// Every port of one store, and a hand on its clock.
#[derive(Clone)]
pub struct Stores {
    pub store: Arc<dyn Store>,
    pub library: Arc<dyn LibraryRepository>,
    pub collections: Arc<dyn CollectionRepository>,
    pub feed: Arc<dyn FeedRepository>,
    pub public: Arc<dyn PublicRepository>,
    pub search: Arc<dyn SearchIndex>,
    pub analytics: Arc<dyn Analytics>,
    pub pages: Arc<dyn PageRepository>,
    pub pictures: Arc<dyn PictureRepository>,
    pub imports: Arc<dyn ImportRepository>,
    pub records: Arc<dyn RecordRepository>,
    pub accounts: Arc<dyn AccountStore>,
    pub log: Arc<dyn EventLog>,
    pub operator: Arc<dyn Operator>,
    pub finder: Arc<dyn Finder>,
    pub history: Arc<dyn WorkHistory>,
    pub rebuilds: Arc<dyn Rebuilds>,
    pub replays: Arc<dyn Replays>,
    pub time: Arc<dyn TimeMachine>,
}

impl Stores {
    /// Of an adapter that is all of them.
    pub fn of<S>(adapter: Arc<S>, time: Arc<dyn TimeMachine>) -> Self
    where
        S: Store
            + LibraryRepository
            + CollectionRepository
            + FeedRepository
            + PublicRepository
            + SearchIndex
            + Analytics
            + PageRepository
            + PictureRepository
            + ImportRepository
            + RecordRepository
            + AccountStore
            + EventLog
            + Operator
            + Finder
            + WorkHistory
            + Rebuilds
            + Replays
            + 'static,
    {
        Self {
            store: adapter.clone(),
            library: adapter.clone(),
            collections: adapter.clone(),
            feed: adapter.clone(),
            public: adapter.clone(),
            search: adapter.clone(),
            analytics: adapter.clone(),
            pages: adapter.clone(),
            pictures: adapter.clone(),
            accounts: adapter.clone(),
            log: adapter.clone(),
            operator: adapter.clone(),
            finder: adapter.clone(),
            history: adapter.clone(),
            rebuilds: adapter.clone(),
            replays: adapter.clone(),
            imports: adapter.clone(),
            records: adapter,
            time,
        }
    }
}

/// Lets time pass for a store: turns its clock, or makes all that it holds older.
#[async_trait]
pub trait TimeMachine: Send + Sync {
    async fn advance(&self, by: Duration);

    /// Has the log say that the event occurred at this time.
    async fn redate(&self, _event: EventId, _occurred_at: Timestamp) {
        unreachable!("these tests leave the log alone");
    }

    /// The columns of all tables in which this text stands somewhere, as text or as its bytes: `table.column`.
    async fn holding(&self, _text: &str) -> Vec<String> {
        unreachable!("these tests leave the tables alone");
    }

    /// Has every card's URL be one that was read by the first rules.
    async fn outdate(&self) {
        unreachable!("these tests leave the cards alone");
    }

    /// Has the log say that the event is of this type and version.
    async fn retype(&self, _event: EventId, _kind: &str) {
        unreachable!("these tests leave the log alone");
    }
}

/// One test for each case of the contract.
#[macro_export]
macro_rules! store_suite {
    ($make:path, $runtime:tt) => {
        $crate::store_suite!(@cases $make, $runtime, saving: [
            a_new_url_makes_one_card_and_one_event,
            saving_again_returns_the_same_card_and_no_event,
            the_note_is_replaced_kept_or_dropped,
            only_collections_that_are_new_are_added,
            a_card_remembers_through_which_it_was_found,
            two_people_have_a_card_each,
            parallel_saves_of_one_url_make_one_card,
            parallel_saves_lose_no_collection_and_no_note,
            parallel_saves_of_many_people_do_not_meet,
        ]);
        $crate::store_suite!(@cases $make, $runtime, refusals: [
            a_refused_command_stores_nothing,
            a_dropped_transaction_stores_nothing,
            a_second_card_for_a_url_is_stale_and_stores_nothing,
            a_deleted_collection_is_not_forgotten_while_a_card_is_in_it,
            strangers_change_nothing,
        ]);
        $crate::store_suite!(@cases $make, $runtime, idempotency: [
            the_same_request_gets_the_same_answer,
            another_request_under_the_same_key_is_refused,
            keys_belong_to_people,
            answers_are_kept_for_a_day,
            a_refused_request_may_be_tried_again,
            parallel_requests_under_one_key_take_effect_once,
            a_client_cannot_take_the_key_of_an_import_or_a_form,
        ]);
        $crate::store_suite!(@cases $make, $runtime, library: [
            a_library_is_listed_newest_first_and_filtered,
            pages_of_a_library_neither_skip_nor_repeat,
            a_library_is_listed_in_the_order_asked_for,
            notes_are_for_their_author_only,
            a_removed_card_is_gone_until_it_is_saved_again,
        ]);
        $crate::store_suite!(@cases $make, $runtime, collecting: [
            a_collection_shows_what_it_is_and_whose,
            an_update_replaces_all_but_the_author,
            collaborators_may_add_and_see_it_among_theirs,
            a_deleted_collection_lets_its_cards_go,
            cards_leave_collections_by_their_owner_or_the_author,
            pages_of_collections_neither_skip_nor_repeat,
            adding_while_the_collection_is_deleted_leaves_no_orphan,
            a_deleted_collection_is_gone_at_once_and_its_cards_leave_it_in_portions,
            portions_at_once_let_each_card_go_once,
            a_card_is_in_a_bounded_number_of_collections,
        ]);
        $crate::store_suite!(@cases $make, $runtime, membership: [
            invited_people_may_do_no_more_than_others_until_they_accept,
            an_invitation_is_declined_and_a_collaborator_leaves,
            a_new_list_keeps_those_who_accepted_and_drops_those_left_out,
            only_the_author_sees_who_is_invited,
            a_deleted_collection_takes_its_invitations_along,
            an_author_has_ten_open_invitations_to_a_person,
            a_person_has_a_hundred_open_invitations,
            a_person_collaborates_in_a_bounded_number_of_collections,
            a_blocked_author_invites_no_more,
            blocked_people_are_listed_newest_first_in_pages,
            invitations_are_listed_newest_first_in_pages,
            ones_own_collections_come_first_on_every_page,
            parallel_acceptances_all_count,
            an_invitation_is_accepted_or_withdrawn_never_both,
        ]);
        $crate::store_suite!(@cases $make, $runtime, ledger: [
            every_event_is_owed_to_the_queues_of_its_route,
            envelopes_say_what_happened_and_when,
            oldest_events_are_leased_first_and_within_the_limit,
            parallel_relays_never_lease_the_same_event,
            what_was_leased_is_due_again_and_waits_longer_each_time,
            what_must_still_be_on_its_way_is_put_off,
            whatever_waits_in_the_queue_puts_nothing_off_for_long,
            settled_events_are_owed_no_more,
            events_are_looked_up_as_they_were_accepted,
            the_backlog_counts_what_is_owed,
            pruning_never_drops_what_is_owed,
            entries_that_are_no_events_are_taken_in,
        ]);
        $crate::store_suite!(@cases $make, $runtime, attempts: [
            a_failed_event_comes_back_after_its_backoff,
            the_last_attempt_makes_a_dead_letter,
            what_fails_in_somebodys_hands_stays_there,
            a_rejected_event_is_dead_at_once,
            attempts_counted_before_they_are_made_are_not_counted_twice,
            an_event_that_never_comes_back_uses_up_its_attempts,
            an_attempt_that_was_taken_back_does_not_count,
            what_is_owed_no_more_cannot_fail,
            each_queue_counts_for_itself,
        ]);
        $crate::store_suite!(@cases $make, $runtime, dead_letters: [
            dead_letters_are_listed_in_pages,
            redriven_letters_have_all_their_attempts_again,
            discarded_letters_are_gone,
            only_letters_nobody_understood_are_redriven_by_type,
        ]);
        $crate::store_suite!(@cases $make, $runtime, operating: [
            actions_are_written_down_with_what_came_of_them,
            dead_letters_are_found_by_type_text_and_error,
            the_way_of_a_dead_letter_is_told,
            a_queue_is_paused_until_it_is_resumed,
            what_is_owed_is_delivered_again,
            one_caller_takes_each_turn,
            figures_are_kept_over_time,
            one_rebuild_is_asked_for_at_a_time,
            a_rebuild_goes_on_where_its_worker_was_lost,
        ]);
        $crate::store_suite!(@cases $make, $runtime, failures: [
            failures_are_grouped_by_the_shape_of_their_errors,
            a_group_is_retried_or_discarded_with_all_that_fails,
            what_fails_again_meanwhile_is_not_selected_again,
            the_largest_groups_are_listed,
            entries_that_are_no_events_are_listed_newest_first,
        ]);
        $crate::store_suite!(@cases $make, $runtime, replaying: [
            a_dry_run_counts_what_would_be_replayed,
            events_are_owed_again_in_portions,
            a_replay_goes_on_where_its_process_was_lost,
            a_replay_is_cancelled,
            one_replay_of_a_queue_is_asked_for_at_a_time,
            replayed_events_make_no_second_activity,
            what_was_no_news_is_none_when_it_is_replayed,
            a_card_is_indexed_as_it_is_now,
            nothing_of_somebody_who_is_leaving_is_replayed,
            nothing_is_pruned_while_events_are_replayed,
        ]);
        $crate::store_suite!(@cases $make, $runtime, latencies: [
            how_long_events_took_is_added_up_over_time,
            what_each_worker_did_is_kept_over_time,
        ]);
        $crate::store_suite!(@cases $make, $runtime, finding: [
            an_event_is_tracked_from_its_acceptance_to_its_effects,
            what_went_wrong_is_part_of_a_track,
            events_of_a_card_are_found_without_reading_the_whole_log,
            cards_are_found_by_url_and_person_but_for_private_ones,
        ]);
        $crate::store_suite!(@cases $make, $runtime, activities: [
            a_saved_card_becomes_one_activity_with_its_collections,
            an_event_takes_effect_once,
            an_event_named_twice_in_one_call_counts_once,
            what_is_not_owed_has_no_effect,
            an_event_in_the_wrong_window_takes_effect_in_its_own,
            what_a_window_says_of_its_events_does_not_count,
            what_makes_no_activity_stays_owed,
            any_portions_in_any_order_end_in_the_same_activities,
            parallel_flushes_of_the_same_windows_take_effect_once,
            parallel_flushes_of_one_pair_lose_nothing,
            created_at_never_changes,
            a_dead_letter_that_is_redriven_takes_effect_once,
        ]);
        $crate::store_suite!(@cases $make, $runtime, feeds: [
            the_feed_shows_only_what_still_exists,
            a_deleted_collection_leaves_the_feed,
            pages_of_the_feed_neither_skip_nor_repeat_with_ties,
            the_feed_of_one_person_holds_only_their_activities,
            pages_are_full_although_activities_are_hidden,
        ]);
        $crate::store_suite!(@cases $make, $runtime, stream: [
            a_reader_at_the_end_gets_what_comes_after,
            a_growing_activity_is_streamed_once,
            hidden_activities_are_not_streamed,
            a_reader_that_reconnects_gets_each_activity_once,
            a_reader_beside_writers_gets_each_activity_once,
            a_new_activity_gives_a_hint,
        ]);
        $crate::store_suite!(@cases $make, $runtime, searching: [
            a_card_is_found_once_it_is_indexed,
            every_word_must_occur,
            notes_are_found_by_their_author_only,
            a_changed_note_is_found_by_its_new_words,
            a_removed_card_is_found_no_more,
            the_current_row_decides_whatever_the_order,
            the_log_decides_which_card_is_indexed,
            one_url_is_one_hit_with_all_its_cards,
            pages_of_hits_neither_skip_nor_repeat,
            parallel_indexing_takes_each_event_once,
            quotes_minus_prefixes_and_typing_errors,
            up_to_three_words_may_be_misspelt,
            titles_count_more_than_descriptions_and_addresses,
            searches_are_narrowed_by_type_and_to_ones_own,
            reindexing_changes_nothing_that_is_right,
        ]);
        $crate::store_suite!(@cases $make, $runtime, wording: [
            case_accents_and_widths_do_not_matter,
            words_as_they_were_typed_come_first,
            what_leaves_no_trace_and_apostrophes_do_not_matter,
            signs_never_empty_a_search_and_some_make_words,
            a_pasted_title_finds_its_page,
            writing_without_spaces_is_found_by_its_words,
            a_pasted_url_finds_its_page_first,
            nobody_finds_a_private_page_by_its_url,
            parts_of_words_are_found_last,
            what_was_corrected_is_told,
            whatever_is_typed_is_answered,
            a_library_is_filtered_by_the_same_rules,
            more_known_of_a_page_is_found_and_less_is_not,
        ]);
        $crate::store_suite!(@cases $make, $runtime, names: [
            people_are_found_by_handle_and_display_name,
            public_collections_are_found_by_name_and_description,
            two_words_of_a_name_may_be_typed_without_a_space,
            the_best_ten_names_are_listed,
        ]);
        $crate::store_suite!(@cases $make, $runtime, titles: [
            a_card_is_called_what_its_owner_calls_it_wherever_it_is_shown,
            a_changed_title_is_one_event_and_a_bad_one_changes_nothing,
            a_title_is_changed_along_with_everything_else,
            a_library_is_filtered_by_titles,
            everybody_who_sees_a_card_finds_it_by_its_title,
            a_title_finds_what_its_page_does_not_say,
            a_title_counts_as_much_as_that_of_a_page,
            a_title_is_read_by_the_rules_of_all_words,
            the_title_of_a_private_card_is_its_owners_alone,
        ]);
        $crate::store_suite!(@cases $make, $runtime, exporting: [
            a_card_is_exported_with_all_that_its_owner_put_into_it,
            pages_of_an_export_neither_skip_nor_repeat,
            names_of_collections_are_listed_in_order_and_in_pages,
        ]);
        $crate::store_suite!(@cases $make, $runtime, pages: [
            a_page_is_fetched_once_for_all_its_cards,
            a_fetched_page_is_shown_and_found_by_its_words,
            failures_wait_longer_each_time_and_are_shown,
            a_lost_lease_is_given_to_another_and_its_outcome_is_dropped,
            one_host_does_not_take_every_place,
            a_page_that_nobody_keeps_is_forgotten_with_what_a_fetch_still_brings,
            a_server_is_not_asked_again_before_the_time_it_names,
            a_page_is_fetched_again_for_somebody_who_asks,
            a_server_that_asks_to_be_left_alone_is,
            a_page_that_waits_or_was_just_fetched_cannot_be_asked_for,
        ]);
        $crate::store_suite!(@cases $make, $runtime, private_pages: [
            what_is_fetched_for_a_private_card_is_nobody_elses_page,
            two_who_keep_a_link_for_themselves_do_not_learn_of_each_other,
            a_card_that_is_made_private_takes_along_what_is_known_and_leaves_nothing,
            the_page_of_a_public_card_stays_when_another_is_made_private,
            a_card_that_is_made_public_or_hidden_brings_its_page,
            a_link_kept_privately_and_by_others_is_one_hit,
            the_page_that_a_card_shows_is_fetched_again_and_no_other,
            a_private_card_that_gets_another_url_keeps_what_is_known_for_its_owner,
            what_is_known_of_a_private_page_is_not_published_under_another_url,
            two_cards_that_become_a_private_one_leave_nothing_on_everybodys_page,
        ]);
        $crate::store_suite!(@cases $make, $runtime, pictures: [
            pictures_are_fetched_once_their_page_was_read,
            a_picture_is_seen_by_those_who_see_a_card_of_its_page,
            a_picture_of_a_private_page_is_its_keepers_alone,
            a_card_that_is_made_private_or_hidden_takes_its_picture_along_at_once,
            pictures_are_shown_wherever_their_card_is,
            one_picture_of_many_pages_is_kept_until_the_last_of_them_is_gone,
            a_picture_that_is_stored_again_while_it_waits_is_not_deleted,
            what_could_not_be_fetched_leaves_what_is_there_and_is_tried_again,
            a_lease_that_runs_out_is_given_to_somebody_else,
            pictures_are_fetched_again_when_their_page_names_others_and_after_a_while,
            a_host_with_many_pictures_keeps_others_from_waiting_behind_it,
        ]);
        $crate::store_suite!(@cases $make, $runtime, fetching: [
            many_hosts_of_one_person_keep_nobody_waiting,
            many_subdomains_of_one_domain_keep_nobody_waiting,
            many_pages_of_one_domain_come_after_the_first_of_somebody_else,
            a_busy_domain_delays_none_of_its_savers_other_pages,
            a_waiting_page_comes_forward_for_whoever_else_saves_it,
            newcomers_do_not_starve_who_has_much_waiting,
            pages_that_are_due_again_let_new_ones_through,
            who_removes_a_page_that_waits_leaves_it_to_who_keeps_it,
        ]);
        $crate::store_suite!(@cases $make, $runtime, quotas: [
            cards_are_counted_for_a_day_removed_ones_too,
            what_imports_make_does_not_count,
            collections_are_counted_for_a_day,
            imports_are_counted_for_a_day,
        ]);
        $crate::store_suite!(@cases $make, $runtime, imports: [
            rows_are_leased_in_order_and_reported,
            rows_are_kept_as_the_file_has_them,
            an_import_without_a_link_is_finished_at_once,
            an_import_that_gets_no_rows_gives_way,
            a_lost_lease_counts_nothing,
            rows_that_are_saved_and_not_reported_are_leased_as_saved,
            imports_take_turns_and_a_person_has_one_at_a_time,
            an_import_is_its_owners_alone,
            a_link_that_is_kept_keeps_its_note,
            a_report_is_read_in_pages,
        ]);
        $crate::store_suite!(@cases $make, $runtime, bringing: [
            links_keep_their_dates_and_the_order_of_the_file,
            titles_of_the_file_are_those_of_its_cards,
            folders_and_tags_become_collections,
            a_link_in_several_folders_is_in_several_collections,
            collections_are_as_private_as_what_they_are_made_for,
            collections_are_as_private_as_the_file_says,
            an_import_is_found_and_counted_but_no_news,
            a_link_that_comes_back_is_no_news_until_its_owner_collects_it,
            a_check_saves_nothing,
            a_check_is_carried_out,
        ]);
        $crate::store_suite!(@cases $make, $runtime, public: [
            a_person_is_found_by_their_handle_until_their_account_goes,
            the_public_cards_of_a_person_are_listed_in_pages,
            public_collections_are_listed_by_their_newest_public_card,
            a_link_is_shown_with_those_who_saved_it,
            links_in_the_same_collections_and_of_the_same_people_are_related,
        ]);
        $crate::store_suite!(@cases $make, $runtime, undoing: [
            an_import_is_undone_with_what_it_made,
            what_was_changed_since_stays,
            what_was_changed_while_the_import_ran_stays,
            a_card_is_undone_by_the_row_that_saved_it,
            collections_that_their_owner_changed_stay,
            an_import_is_undone_in_portions_by_several_at_once,
            what_saved_nothing_cannot_be_undone,
            nothing_is_undone_for_somebody_who_is_leaving,
        ]);
        $crate::store_suite!(@cases $make, $runtime, visibility: [
            a_private_card_exists_for_its_owner_alone,
            who_saves_again_keeps_the_visibility_unless_they_ask,
            a_card_that_is_made_public_was_saved_just_now_for_others,
            a_card_that_is_made_private_is_gone_for_others_with_the_answer,
            a_hidden_card_is_seen_by_its_owner_alone,
            a_private_collection_exists_for_those_who_work_on_it,
            owners_remove_their_cards_from_collections_that_they_no_longer_see,
            an_activity_of_private_collections_alone_is_not_shown,
            rows_of_an_import_are_private_one_by_one,
            words_that_one_person_keeps_to_themselves_help_nobody_else,
            a_hit_names_the_cards_that_the_reader_sees,
            pages_are_full_although_some_of_their_items_are_private,
            parallel_changes_of_one_card_end_in_one_truth,
        ]);
        $crate::store_suite!(@cases $make, $runtime, identity: [
            a_card_is_found_by_the_rules_of_today,
            two_cards_of_one_link_become_the_older_one,
            a_merged_card_is_as_private_and_as_hidden_as_either_was,
            cards_outside_of_the_library_are_found_and_stay_hidden,
            a_card_in_another_place_makes_room_first,
            notes_that_were_joined_may_stay_however_long_they_are,
            cards_in_each_others_places_stay_as_they_are,
            urls_that_nobody_has_any_more_are_not_counted,
            a_url_that_is_refused_today_stays_as_it_is,
            new_rules_take_effect_in_any_order_of_events,
            looking_at_cards_goes_on_wherever_it_was_stopped,
            parallel_looks_and_saves_lose_nothing,
            cards_of_people_who_leave_are_left_alone,
        ]);
        $crate::store_suite!(@cases $make, $runtime, leaving: [
            a_deleted_account_leaves_nothing_behind_but_its_audit_entry,
            a_deletion_goes_on_wherever_it_was_stopped,
            a_deletion_waits_for_dead_letters,
            nobody_acts_for_an_account_that_is_being_deleted,
            nobody_acts_for_an_account_that_is_gone,
            an_account_is_deleted_once_and_only_with_its_password,
            the_effects_of_a_deleted_account_come_once,
            positions_of_deleted_activities_are_not_given_out_again,
        ]);
        $crate::store_suite!(@cases $make, $runtime, first_account: [
            a_site_that_everybody_has_left_is_not_fresh_again,
        ]);
        $crate::store_suite!(@cases $make, $runtime, publishing: [
            people_without_a_repository_are_owed_nothing,
            connecting_owes_what_is_public_and_nothing_else,
            an_event_owes_what_it_touches_and_is_owed_no_more,
            one_worker_at_a_time_publishes_for_a_person,
            what_is_owed_during_a_turn_is_done_in_the_next,
            what_others_see_no_more_is_deleted_and_comes_back,
            an_author_removes_what_somebody_elses_repository_holds,
            a_changed_title_or_collection_is_looked_at_again,
            a_pause_holds_for_one_person_and_ends_by_hand,
            operators_see_for_whom_publishing_fails_and_since_when,
            another_repository_gets_everything_and_none_gets_nothing,
            stand_ins_are_there_for_everybody,
            connecting_an_account_publishes_what_is_public_until_it_is_disconnected,
            a_turn_from_before_a_new_connection_keeps_nothing,
            an_account_is_deleted_after_its_records,
            an_account_is_deleted_although_nothing_can_be_sent,
            an_account_leaves_nothing_behind_although_its_last_event_was_discarded,
        ]);
        $crate::store_suite!(@cases $make, $runtime, connecting: [
            the_same_repository_again_compares_nothing,
            collections_name_the_repository_of_a_collaborator_who_connects_later,
        ]);
        $crate::store_suite!(@cases $make, $runtime, truth: [
            any_order_of_changes_shows_everybody_the_truth,
        ]);
        $crate::store_suite!(@cases $make, $runtime, counting: [
            saves_and_curators_are_counted_by_day,
            a_copy_counts_nothing,
            an_altered_copy_counts_what_the_log_says,
            parallel_copies_count_once,
            top_urls_are_ordered_and_cut,
            a_person_counts_once_for_a_url_however_often_they_save_it,
            what_nobody_keeps_is_not_trending,
            what_is_trending_follows_from_the_cards_whatever_the_order_of_events,
            days_without_saves_are_there,
            domains_types_and_weeks_are_counted,
            a_card_is_new_once,
            rebuilding_a_day_ends_in_the_same_counts,
            days_that_were_pruned_are_not_whole,
        ]);
    };
    (@cases $make:path, $runtime:tt, $subject:ident: [$($case:ident),* $(,)?]) => {
        mod $subject {
            use super::*;
            $(
                #[::tokio::test $runtime]
                async fn $case() -> $crate::store_suite::Tested {
                    $crate::store_suite::$subject::$case($make().await?).await
                }
            )*
        }
    };
}
