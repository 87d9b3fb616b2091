#include "apps/troupe/sqlite_file.hpp"

#include "apps/troupe/command.hpp"
#include "apps/troupe/moment.hpp"
#include "apps/troupe/record_json.hpp"
#include "runtime/log/record.hpp"
#include "runtime/model/utf8.hpp"

#include <limits>
#include <sqlite3.h>

namespace troupe::cli {
namespace {

/// Keeps a copy: the statement runs after the text has gone.
int bind_bytes(sqlite3_stmt* to, int column, std::string_view bytes, bool is_text) {
  // NOLINTNEXTLINE: the constant is a cast in C
  const auto copied = SQLITE_TRANSIENT;
  return is_text ? sqlite3_bind_text64(to, column, bytes.data(), bytes.size(), copied, SQLITE_UTF8)
                 : sqlite3_bind_blob64(to, column, bytes.data(), bytes.size(), copied);
}

int bind_number(sqlite3_stmt* to, int column, std::uint64_t number) {
  if (number <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return sqlite3_bind_int64(to, column, static_cast<std::int64_t>(number));
  return bind_bytes(to, column, std::to_string(number), true); // SQLite's integers have a sign
}

std::string table_sql() {
  std::string out = "CREATE TABLE records (class TEXT NOT NULL, idx INTEGER NOT NULL, time TEXT, "
                    "time_us INTEGER NOT NULL, kind TEXT NOT NULL";
  for (const auto& field : log::text_fields)
    out += ", \"" + std::string{field.name} + "\"";
  for (const auto& field : log::number_fields)
    out += ", \"" + std::string{field.name} + "\""; // no type: it would make a double of what INTEGER cannot hold
  return out + ", PRIMARY KEY (class, idx)); CREATE TABLE logs (class TEXT PRIMARY KEY, origin TEXT);";
}

std::string insert_sql() {
  std::string out = "INSERT INTO records VALUES (?";
  for (std::size_t i = 0; i < 4 + log::text_fields.size() + log::number_fields.size(); ++i)
    out += ", ?";
  return out + ")";
}

} // namespace

void sqlite_file::closer::operator()(sqlite3* database) const noexcept { sqlite3_close_v2(database); }
void sqlite_file::closer::operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }

sqlite_file::sqlite_file(const std::string& path)
    : path_{path} {
  sqlite3* database = nullptr;
  const int opened = sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  database_.reset(database);
  check(opened, "cannot open");
  // The file gets its name when it is complete, so nothing has to survive a crash before.
  run("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA encoding = 'UTF-8'; BEGIN;");
  run(table_sql());
  sqlite3_stmt* insert = nullptr;
  const int prepared = sqlite3_prepare_v2(database_.get(), insert_sql().c_str(), -1, &insert, nullptr);
  insert_.reset(insert);
  check(prepared, "cannot write");
}

void sqlite_file::add(const log::entry& one, std::string_view log_name) {
  auto* const to = insert_.get();
  int column = 0;
  const auto bound = [&](int result) { check(result, "cannot write"); };
  bound(bind_bytes(to, ++column, log_name, true));
  bound(bind_number(to, ++column, one.index));
  if (const auto time = rfc3339(one.what.time_us))
    bound(bind_bytes(to, ++column, *time, true));
  else
    bound(sqlite3_bind_null(to, ++column));
  bound(sqlite3_bind_int64(to, ++column, one.what.time_us));
  bound(bind_bytes(to, ++column, log::to_string(one.what.kind), true));
  for (const auto& field : log::text_fields) {
    const auto text = one.what.*field.member;
    const auto json = is_value(field.member) ? json_of(one.what, field.member) : std::nullopt;
    ++column;
    if (text.empty())
      bound(sqlite3_bind_null(to, column));
    else if (json)
      bound(bind_bytes(to, column, *json, true));
    else
      bound(bind_bytes(to, column, text, !is_value(field.member) && is_utf8(text)));
  }
  for (const auto& field : log::number_fields) {
    const auto& number = one.what.*field.member;
    ++column;
    bound(number ? bind_number(to, column, *number) : sqlite3_bind_null(to, column));
  }
  if (sqlite3_step(to) != SQLITE_DONE)
    check(sqlite3_errcode(database_.get()), "cannot write");
  bound(sqlite3_reset(to));
}

void sqlite_file::finish(const std::map<std::string, std::string>& origins) {
  for (const auto* column : {"time_us", "kind", "channel", "room", "user"})
    run(std::string{"CREATE INDEX records_"} + column + " ON records (\"" + column + "\");");
  insert_.reset();
  sqlite3_stmt* insert = nullptr;
  const int prepared = sqlite3_prepare_v2(database_.get(), "INSERT INTO logs VALUES (?, ?)", -1, &insert, nullptr);
  const std::unique_ptr<sqlite3_stmt, closer> row{insert};
  check(prepared, "cannot write");
  for (const auto& [name, origin] : origins) {
    check(bind_bytes(insert, 1, name, true), "cannot write");
    check(bind_bytes(insert, 2, origin, true), "cannot write");
    if (sqlite3_step(insert) != SQLITE_DONE)
      check(sqlite3_errcode(database_.get()), "cannot write");
    check(sqlite3_reset(insert), "cannot write");
  }
  run("COMMIT;");
}

void sqlite_file::run(const std::string& sql) {
  check(sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr), "cannot write");
}

void sqlite_file::check(int result, const char* what) {
  if (result != SQLITE_OK)
    throw command_failed{exit_cannot, std::string{what} + " " + path_ + ": " + sqlite3_errmsg(database_.get())};
}

} // namespace troupe::cli
