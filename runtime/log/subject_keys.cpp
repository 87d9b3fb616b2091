#include "runtime/log/subject_keys.hpp"

#include "runtime/log/merkle.hpp"
#include "runtime/model/hex.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <system_error>
#include <utility>

namespace troupe::log {
namespace {

constexpr std::size_t cached_max = 4096;
constexpr std::size_t nonce_bytes = 12;
constexpr std::size_t tag_bytes = 16;
constexpr std::size_t id_characters = 16;
constexpr std::size_t key_bytes = 32;
constexpr std::string_view magic = "TROUPKEY1\n";
using cipher_context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

fault refused(std::string why) { return {fault_kind::refused, 0, std::move(why)}; }

} // namespace

subject_keys::key::~key() { OPENSSL_cleanse(bytes.data(), bytes.size()); }

std::filesystem::path subject_keys::file_of(std::string_view subject) const {
  return folder_ / (to_hex(sha256_of(subject)) + ".key");
}

const subject_keys::key* subject_keys::keep(std::string_view subject, const key& k) {
  if (cached_.size() >= cached_max)
    cached_.clear();
  return &(cached_[std::string{subject}] = k);
}

/// `lost` where the subject has no key.
result<const subject_keys::key*> subject_keys::find(std::string_view subject) {
  if (const auto known = cached_.find(std::string{subject}); known != cached_.end())
    return &known->second;
  auto text = read_file(file_of(subject), 4096);
  if (!text)
    return text.error();
  key k;
  if (!is_subject_key(*text))
    return fault{fault_kind::damaged, 0, file_of(subject).string() + " is no key of a subject"};
  k.id = text->substr(magic.size(), id_characters);
  std::copy(text->end() - static_cast<std::ptrdiff_t>(k.bytes.size()), text->end(), k.bytes.begin());
  OPENSSL_cleanse(text->data(), text->size());
  return keep(subject, k);
}

result<const subject_keys::key*> subject_keys::make(std::string_view subject) {
  key k;
  std::array<unsigned char, id_characters / 2> id{};
  if (RAND_bytes(id.data(), static_cast<int>(id.size())) != 1 ||
      RAND_priv_bytes(k.bytes.data(), static_cast<int>(k.bytes.size())) != 1)
    return refused("OpenSSL has no random numbers");
  k.id = to_hex(id);
  if (auto failed = make_folder(ops_, folder_))
    return *failed;
  std::string text{magic};
  text += k.id;
  text.append(reinterpret_cast<const char*>(k.bytes.data()), k.bytes.size());
  auto failed = replace_file(ops_, file_of(subject), text, 0600);
  OPENSSL_cleanse(text.data(), text.size());
  if (failed)
    return *failed;
  return keep(subject, k);
}

result<subject_keys::sealed> subject_keys::seal(std::string_view subject, std::string_view payload) {
  const std::lock_guard guard{lock_};
  auto found = find(subject);
  if (!found && found.error().kind == fault_kind::lost)
    found = make(subject);
  if (!found)
    return found.error();
  sealed out;
  out.key_id = (*found)->id;
  out.nonce.resize(nonce_bytes);
  out.text.resize(payload.size() + tag_bytes);
  const cipher_context context{EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free};
  int length = 0;
  int rest = 0;
  if (!context || RAND_bytes(bytes_of(out.nonce), nonce_bytes) != 1 ||
      EVP_EncryptInit_ex2(context.get(), EVP_aes_256_gcm(), (*found)->bytes.data(), bytes_of(out.nonce), nullptr) !=
          1 ||
      EVP_EncryptUpdate(context.get(), bytes_of(out.text), &length, bytes_of(payload),
                        static_cast<int>(payload.size())) != 1 ||
      EVP_EncryptFinal_ex(context.get(), bytes_of(out.text) + length, &rest) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, tag_bytes, bytes_of(out.text) + payload.size()) != 1)
    return refused("OpenSSL cannot encrypt");
  return out;
}

result<std::string> subject_keys::open(std::string_view subject, std::string_view key_id, std::string_view nonce,
                                       std::string_view text) {
  const std::lock_guard guard{lock_};
  const auto found = find(subject);
  if (!found)
    return found.error();
  if ((*found)->id != key_id)
    return fault{fault_kind::lost, 0, "the key of this payload was destroyed"};
  const fault damaged{fault_kind::damaged, 0, "this payload was not encrypted with the key that it names"};
  if (nonce.size() != nonce_bytes || text.size() < tag_bytes)
    return damaged;
  std::string out(text.size() - tag_bytes, '\0');
  std::string tag{text.substr(out.size())};
  const cipher_context context{EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free};
  int length = 0;
  int rest = 0;
  if (!context ||
      EVP_DecryptInit_ex2(context.get(), EVP_aes_256_gcm(), (*found)->bytes.data(), bytes_of(nonce), nullptr) != 1 ||
      EVP_DecryptUpdate(context.get(), bytes_of(out), &length, bytes_of(text), static_cast<int>(out.size())) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, tag_bytes, tag.data()) != 1 ||
      EVP_DecryptFinal_ex(context.get(), bytes_of(out) + length, &rest) != 1)
    return damaged;
  return out;
}

result<bool> subject_keys::forget(std::string_view subject) {
  const std::lock_guard guard{lock_};
  cached_.erase(std::string{subject});
  const auto path = file_of(subject);
  const auto there = read_file(path, 4096);
  if (!there) {
    if (there.error().kind == fault_kind::lost)
      return false;
    return there.error();
  }
  {
    auto file = open_path(ops_, path, O_WRONLY | O_CLOEXEC);
    if (!file)
      return file.error();
    if (auto failed = write_all(ops_, file->fd(), std::string(there->size(), '\0'), 0))
      return *failed;
    if (const int failed = ops_.datasync(file->fd()); failed < 0)
      return system_fault(-failed, "cannot overwrite " + path.string());
  }
  if (const int failed = ops_.unlink(path.string()); failed < 0)
    return system_fault(-failed, "cannot remove " + path.string());
  if (auto failed = sync_folder(ops_, folder_))
    return *failed;
  return true;
}

bool is_subject_key(std::string_view content) noexcept {
  return content.size() == magic.size() + id_characters + key_bytes && content.starts_with(magic);
}

// -- records

bool is_confidential(const record_view& r) noexcept {
  return !r.subject.empty() && !r.payload.empty() && r.key_id.empty();
}

status seal_payload(subject_keys& keys, record_view& r, subject_keys::sealed& into) {
  auto done = keys.seal(r.subject, r.payload);
  if (!done)
    return done.error();
  into = std::move(*done);
  r.payload = into.text;
  r.key_id = into.key_id;
  r.nonce = into.nonce;
  return std::nullopt;
}

result<bool> open_payload(subject_keys& keys, record_view& r, std::string& into) {
  if (r.key_id.empty())
    return true;
  auto opened = keys.open(r.subject, r.key_id, r.nonce, r.payload);
  if (!opened && opened.error().kind == fault_kind::lost)
    return false;
  if (!opened)
    return opened.error();
  into = std::move(*opened);
  r.payload = into;
  r.key_id = r.nonce = {};
  return true;
}

// -- requests

std::filesystem::path forget_requests::file_of(std::string_view subject, bool begun) const {
  return folder_ / (to_hex(sha256_of(subject)) + (begun ? ".begun" : ""));
}

status forget_requests::put(std::string_view subject) {
  if (auto failed = make_folder(ops_, folder_))
    return failed;
  return replace_file(ops_, file_of(subject), subject, 0600);
}

std::vector<std::string> forget_requests::waiting() const {
  constexpr std::size_t many = 64;
  std::vector<std::string> out;
  std::error_code failed;
  for (std::filesystem::directory_iterator at{folder_, failed}, end; !failed && at != end && out.size() < many;
       at.increment(failed)) {
    auto subject = read_file(at->path(), subject_bytes_max);
    // Else it is on its way to its name, or nothing of ours.
    if (subject && (file_of(*subject) == at->path() || file_of(*subject, true) == at->path()) &&
        std::find(out.begin(), out.end(), *subject) == out.end())
      out.push_back(std::move(*subject));
  }
  return out;
}

bool forget_requests::has(std::string_view subject) const {
  std::error_code ignored;
  return std::filesystem::exists(file_of(subject), ignored) || std::filesystem::exists(file_of(subject, true), ignored);
}

status forget_requests::begin(std::string_view subject) {
  const auto to = file_of(subject, true).string();
  if (const int failed = ops_.rename(file_of(subject).string(), to); failed < 0 && failed != -ENOENT)
    return system_fault(-failed, "cannot make " + to);
  return sync_folder(ops_, folder_);
}

status forget_requests::finish(std::string_view subject) {
  const auto path = file_of(subject, true).string();
  if (const int failed = ops_.unlink(path); failed < 0 && failed != -ENOENT)
    return system_fault(-failed, "cannot remove " + path);
  return sync_folder(ops_, folder_);
}

} // namespace troupe::log
