//! What every document store does.

mod changes;
mod commits;
mod exact;
mod fixture;
mod indexes;
mod outbox;
mod queries;
mod volume;

pub use changes::*;
pub use commits::*;
pub use exact::*;
pub use indexes::*;
pub use outbox::*;
pub use queries::*;
pub use volume::*;

/// Runs the suite; see the crate's description. With `stand_in` (a future of a boolean), the tests of
/// [`exact`] are left out where it is true: the server under test only stands in for the real one. With
/// `uncounted`, the one that asks how much is stored is left out.
#[macro_export]
macro_rules! documents {
    ($setup:expr) => {
        $crate::documents!($setup, stand_in: async { false });
    };
    ($setup:expr, stand_in: $stand_in:expr) => {
        $crate::documents!($setup, stand_in: $stand_in, uncounted);
        $crate::suite!(documents, $setup, [what_is_stored_is_counted]);
    };
    ($setup:expr, stand_in: $stand_in:expr, uncounted) => {
        $crate::suite!(
            documents,
            $setup,
            [
                equality_reaches_into_arrays,
                missing_equals_null,
                numbers_compare_whatever_their_type,
                order_tests_compare_one_kind,
                lists_presence_and_sizes,
                any_of_all_of,
                paths_reach_nested_fields,
                sorting_follows_the_order_of_types,
                sorting_takes_several_keys,
                limits_and_first_matches,
                projections_leave_out,
                counts_to_a_limit,
                bad_queries_are_invalid,
                types_survive,
                large_documents_survive,
                an_answer_has_at_most_32_mib,
                late_calls_are_told_so,
                an_insert_gets_an_id,
                the_first_write_decides,
                later_writes_are_left_out_alone,
                a_repeated_commit_does_nothing,
                an_update_changes_one_document,
                an_upsert_inserts_when_nothing_matches,
                deletes_one_or_all,
                bad_commits_are_invalid_and_change_nothing,
                concurrent_increments_all_count,
                a_compare_and_set_has_one_winner,
                crossing_upserts_make_one_document,
                numbers_are_gapless,
                numbering_needs_its_index,
                tenants_have_their_own_documents,
                fields_are_set_and_removed,
                numbers_grow,
                arrays_change,
                untouched_fields_stay_as_they_are,
                impossible_changes_are_invalid,
                a_unique_index_refuses_duplicates,
                a_sparse_index_leaves_out_missing_fields,
                indexes_do_not_change_answers,
                indexes_come_and_go,
                undeclared_collections_are_invalid,
                events_wait_in_commit_order,
                refused_commits_leave_no_events,
                a_new_event_wakes_the_relay,
            ]
        );
        $crate::suite!(
            documents,
            $setup,
            unless $stand_in,
            [
                arrays_nest,
                paths_go_through_arrays,
                dots_in_names_are_no_paths,
                negative_zero_stays,
                a_unique_index_sees_missing_fields_as_null,
                a_unique_array_belongs_to_one_document,
            ]
        );
    };
}
