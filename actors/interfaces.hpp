#pragma once

// Every mailbox of a node: who can be told what. All messages stay inside the process.

#include "actors/traffic.hpp"
#include "runtime/model/errors.hpp"
#include "runtime/model/value.hpp"

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/atom.hpp>
#include <caf/replies_to.hpp>
#include <caf/typed_actor.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

// What is shared stays shared: nothing of it is ever serialised.
namespace caf {
template <class T>
struct allowed_unsafe_message_type<std::shared_ptr<T>> : std::true_type {};
} // namespace caf

namespace troupe {

struct audit_batch;     // audit_gatherer.hpp: records of a turn
struct room_arrival;    // fan_out.hpp: a room that a fan-out asked for
struct room_claim;      // room_supervisor.hpp: a fan-out asks for a room
struct room_failure;    // room_supervisor.hpp: a room's logic threw
struct room_retiring;   // room_supervisor.hpp: an idle room asks to end
struct room_report;     // room_actor.hpp: what a room says of itself
struct channel_opening; // journal_traffic.hpp: a channel asks what the log has of it
struct channel_opened;  // journal_traffic.hpp: the answer
struct channel_entries; // journal_traffic.hpp: what a channel has to store
struct channel_outcome; // journal_traffic.hpp: what became of it
struct channel_reading; // journal_traffic.hpp: a channel needs a piece of what it has stored
struct channel_found;   // journal_traffic.hpp: the answer
struct channel_cut;     // journal_traffic.hpp: the log has dropped the oldest of a channel
struct delivery;        // hub.hpp: a message to users or a connection
struct inbox_piece;     // inboxes.hpp: what an inbox has for one of its user's connections
struct inbox_reply;     // inboxes.hpp: what became of it
struct registration;    // hub.hpp: a connection that came, changed or went
struct session_claim;   // hub.hpp: a client asks for its session back
struct session_state;   // session_state.hpp: what one connection leaves to the next
struct signal_notice;   // signaling.hpp: a signal passed between two connections
struct receipt;         // hub.hpp: what became of a delivery

template <class T>
using shared = std::shared_ptr<T>;

using attach_atom = caf::atom_constant<caf::atom("attach")>;
using broadcast_atom = caf::atom_constant<caf::atom("broadcast")>;
using claim_atom = caf::atom_constant<caf::atom("claim")>;
using close_atom = caf::atom_constant<caf::atom("close")>;
using commit_atom = caf::atom_constant<caf::atom("commit")>;
using describe_atom = caf::atom_constant<caf::atom("describe")>;
using drain_atom = caf::atom_constant<caf::atom("drain")>;
using failed_atom = caf::atom_constant<caf::atom("failed")>;
using forget_atom = caf::atom_constant<caf::atom("forget")>;
using gone_atom = caf::atom_constant<caf::atom("gone")>;
using restart_atom = caf::atom_constant<caf::atom("restart")>;
using retire_atom = caf::atom_constant<caf::atom("retire")>;
using sweep_atom = caf::atom_constant<caf::atom("sweep")>;
using tick_atom = caf::atom_constant<caf::atom("tick")>;
using timer_atom = caf::atom_constant<caf::atom("timer")>;

/// One loop's share of all rooms: gathers what its connections send, hands out what rooms say.
using fan_out_handle = caf::typed_actor<
    // What a room says in a turn.
    caf::reacts_to<shared<const room_news>>,
    // A room that this loop asked for, or its new home after a failure.
    caf::reacts_to<shared<const room_arrival>>,
    // A message for every connection of the loop.
    caf::reacts_to<shared<const message>>,
    // Looks for rooms that nobody here uses any more.
    caf::reacts_to<sweep_atom>>;

/// A room: one home, one order.
using room_handle = caf::typed_actor<
    // What one loop's connections want, in order.
    caf::reacts_to<shared<room_ops>>,
    // From now on the loop's fan-out gets what the room says.
    caf::reacts_to<attach_atom, std::uint32_t, fan_out_handle>,
    // Time passes: for presence, the ring, custom ticks and idleness.
    caf::reacts_to<tick_atom>,
    // A timer that the room's logic has set: its token, and the incarnation of the logic that set it.
    caf::reacts_to<timer_atom, std::uint64_t, std::uint64_t>,
    // The supervisor's answer to a failure: start the logic anew, from its last snapshot.
    caf::reacts_to<restart_atom>,
    // The supervisor's answer to an idle room: end, or (false) go on.
    caf::reacts_to<retire_atom, bool>,
    // A user is forgotten: let go of the messages that are about them.
    caf::reacts_to<forget_atom, std::string>,
    // Members, sequence and sizes.
    caf::replies_to<describe_atom>::with<shared<const room_report>>>;

/// A channel: reached as a room is.
using channel_handle = room_handle::extend<
    // What the log has of it.
    caf::reacts_to<shared<const channel_opened>>,
    // What became of entries that it has given to the log.
    caf::reacts_to<shared<const channel_outcome>>,
    // A piece of the log that it has asked for.
    caf::reacts_to<shared<const channel_found>>,
    // The log keeps less of it than before.
    caf::reacts_to<shared<const channel_cut>>>;

/// Who keeps something in the log as a channel does; a channel is one.
using log_client_handle = caf::typed_actor<
    // What the log has of it.
    caf::reacts_to<shared<const channel_opened>>,
    // What became of entries that it has given to the log.
    caf::reacts_to<shared<const channel_outcome>>,
    // A piece of the log that it has asked for.
    caf::reacts_to<shared<const channel_found>>>;

/// Appends to the node's log: gathers what comes while it writes, and syncs once for all of it.
using journal_handle = caf::typed_actor<
    // A channel begins.
    caf::reacts_to<shared<const channel_opening>, log_client_handle>,
    // What a channel has to store.
    caf::reacts_to<shared<const channel_entries>, log_client_handle>,
    // Everything that came before it is gathered: write it.
    caf::reacts_to<commit_atom>,
    // From the reader: the index has to take what it lacks before this is read.
    caf::reacts_to<shared<const channel_reading>, log_client_handle>,
    // Time passes: for syncs by interval, checkpoints and retention.
    caf::reacts_to<tick_atom>,
    // Look for users who are to be forgotten, and again at each tick. Told once everybody is there who is to be told.
    caf::reacts_to<forget_atom>,
    // The audit log has that a user was forgotten, or (false) could not take it now.
    caf::reacts_to<forget_atom, std::string, bool>>;

/// Appends to the node's audit log, beside the journal: nobody waits for it.
using audit_journal_handle = caf::typed_actor<
    // What a loop, or a room off the loops, has recorded in a turn.
    caf::reacts_to<shared<const audit_batch>>,
    // Everything that came before it is gathered: write it.
    caf::reacts_to<commit_atom>,
    // Time passes: for syncs, checkpoints, retention, and a disk that had no room.
    caf::reacts_to<tick_atom>,
    // A user is forgotten: record it, and say whether that lasts.
    caf::reacts_to<forget_atom, std::string, journal_handle>>;

/// Reads what channels have stored, beside the journal.
using log_reader_handle = caf::typed_actor<
    // A channel needs a piece of what it has stored.
    caf::reacts_to<shared<const channel_reading>, log_client_handle>,
    // From the journal: the index has it, or (false) cannot take it.
    caf::reacts_to<commit_atom, bool, shared<const channel_reading>, log_client_handle>>;

/// Spawns rooms, knows them by name, restarts them.
using room_supervisor_handle = caf::typed_actor<
    // A fan-out wants to reach a room.
    caf::reacts_to<shared<const room_claim>, fan_out_handle>,
    // A room's logic threw.
    caf::reacts_to<shared<const room_failure>>,
    // A room has been idle for long enough.
    caf::reacts_to<shared<const room_retiring>>,
    // A user is forgotten: tell all rooms and channels.
    caf::reacts_to<forget_atom, std::string>,
    // Start what waited for its backoff: the room with this number.
    caf::reacts_to<restart_atom, std::uint32_t>,
    // Who is in a room; an unknown room has no members.
    caf::replies_to<describe_atom, std::string>::with<shared<const room_report>>,
    // The names of all rooms.
    caf::replies_to<describe_atom>::with<std::vector<std::string>>>;

/// A client, attached through a link or away for a while.
using connection_handle = caf::typed_actor<
    // A message for this connection, from another one or from the node.
    caf::reacts_to<shared<const message>>,
    // What its user's inbox has for it.
    caf::reacts_to<shared<const inbox_piece>>,
    // The answer of the hub to `delivery`: how many connections it reached, or why none; with the request's id.
    caf::reacts_to<shared<const receipt>>,
    // The answer to `session_claim`: what the earlier connection left, or null.
    caf::reacts_to<shared<const session_state>>,
    // Another connection resumes this session: close the link, hand over to this address, end.
    caf::reacts_to<claim_atom, caf::actor_addr>,
    // End this connection with a close code and a reason.
    caf::reacts_to<close_atom, std::uint16_t, std::string>,
    // The node goes away: advise to reconnect, flush, end.
    caf::reacts_to<drain_atom>,
    // Something to be done in this connection's place and order.
    caf::reacts_to<shared<const std::function<void()>>>>;

/// Knows who is connected; routes what is sent to users and connections, keeps their inboxes; grants sessions.
using hub_handle = caf::typed_actor<
    // A connection came, became known as somebody, went away or ended.
    caf::reacts_to<shared<const registration>, connection_handle>,
    // A message to a user, users or a connection.
    caf::reacts_to<shared<const delivery>>,
    // A client wants its session back.
    caf::reacts_to<shared<const session_claim>, connection_handle>,
    // A message for every connection of the node.
    caf::reacts_to<broadcast_atom, shared<const message>>,
    // A connection has sent, or its client acknowledged, what an inbox gave it.
    caf::reacts_to<shared<const inbox_reply>>,
    // What the log has of an inbox.
    caf::reacts_to<shared<const channel_opened>>,
    // What became of entries of an inbox.
    caf::reacts_to<shared<const channel_outcome>>,
    // Never asked for: inboxes are read when they are opened.
    caf::reacts_to<shared<const channel_found>>,
    // A user is forgotten: for what waits in inboxes.
    caf::reacts_to<forget_atom, std::string>,
    // Time passes: for what waits in inboxes.
    caf::reacts_to<tick_atom>>;

/// Remembers who signals with whom, so that the end of one is told to the other.
using signaling_handle = caf::typed_actor<
    // A signal passed.
    caf::reacts_to<shared<const signal_notice>>,
    // The connection with this id has ended.
    caf::reacts_to<gone_atom, shared<const sender>>>;

/// Runs one connection's handlers off the loop, in order.
using worker_handle = caf::typed_actor<caf::reacts_to<shared<const std::function<void()>>>>;

/// Keeps children running: starts them, starts them again with backoff, escalates.
using supervisor_handle = caf::typed_actor<
    // The child with this name has failed, and why.
    caf::reacts_to<failed_atom, std::string, std::string>,
    // Start what is due.
    caf::reacts_to<restart_atom>,
    // Stop all children and end.
    caf::replies_to<drain_atom>::with<bool>>;

} // namespace troupe
