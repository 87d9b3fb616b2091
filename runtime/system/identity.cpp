#include "runtime/system/identity.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <jansson.h>
#include <mutex>
#include <rhonabwy.h>
#include <stdexcept>
#include <sys/stat.h>
#include <utility>
#include <vector>
#include <yder.h>

namespace troupe {

namespace {

template <auto Free>
struct freed {
  template <class T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};
using jwk_ptr = std::unique_ptr<jwk_t, freed<r_jwk_free>>;
using jws_ptr = std::unique_ptr<jws_t, freed<r_jws_free>>;
using json_ptr = std::unique_ptr<json_t, freed<json_decref>>;

constexpr std::size_t secret_bytes_min = 32; ///< RFC 7518, section 3.2.
constexpr unsigned rsa_bits_min = 2048;      ///< RFC 7518, section 3.3.
constexpr std::size_t key_file_bytes_max = 1024 * 1024;
constexpr std::size_t user_bytes_max = 256;

/// Nothing that a key or token names is ever downloaded.
constexpr int no_remote = R_FLAG_IGNORE_REMOTE;

void prepare_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    r_global_init();
    y_init_logs("troupe", Y_LOG_MODE_NONE, Y_LOG_LEVEL_NONE, nullptr, "");
  });
}

struct verification_key {
  jwk_ptr key;
  jwa_alg algorithm = R_JWA_ALG_UNKNOWN;
  std::string id; ///< `kid`; may be empty.
};

[[noreturn]] void refuse(const std::string& file, std::string_view why) {
  throw std::runtime_error{fmt::format("auth.keys: {}: {}", file, why)};
}

jwk_ptr new_key() {
  jwk_t* raw = nullptr;
  if (r_jwk_init(&raw) != RHN_OK)
    throw std::bad_alloc{};
  return jwk_ptr{raw};
}

std::string_view property(const jwk_ptr& key, const char* name) {
  const char* text = r_jwk_get_property_str(key.get(), name);
  return text == nullptr ? std::string_view{} : text;
}

/// The one algorithm that a key may verify (RFC 8725, section 3.1), or unknown with the reason.
jwa_alg algorithm_of(const jwk_ptr& key, std::string& why) {
  unsigned bits = 0;
  const int type = r_jwk_key_type(key.get(), &bits, no_remote);
  const auto curve = property(key, "crv");
  if ((type & R_KEY_TYPE_SYMMETRIC) != 0) {
    if (bits >= secret_bytes_min * 8)
      return R_JWA_ALG_HS256;
    why = fmt::format("a secret needs at least {} bytes", secret_bytes_min);
  } else if ((type & R_KEY_TYPE_RSA) != 0) {
    if (bits >= rsa_bits_min)
      return R_JWA_ALG_RS256;
    why = fmt::format("an RSA key needs at least {} bits", rsa_bits_min);
  } else if (curve == "P-256") {
    return R_JWA_ALG_ES256;
  } else if (curve == "Ed25519") {
    return R_JWA_ALG_EDDSA;
  } else {
    why = "is none of RSA, P-256, Ed25519 or a secret";
  }
  return R_JWA_ALG_UNKNOWN;
}

void require_private_file(const std::string& file, mode_t mode) {
  if ((mode & (S_IROTH | S_IWOTH)) != 0)
    refuse(file, "holds a secret, but everyone may read or write it (chmod o-rw)");
}

verification_key read_pem(const std::string& file, const std::string& text) {
  if (text.find("PRIVATE KEY-----") != std::string::npos)
    refuse(file, "holds a private key; the server needs the public one only");
  auto key = new_key();
  if (r_jwk_import_from_pem_der(key.get(), R_X509_TYPE_PUBKEY, R_FORMAT_PEM,
                                reinterpret_cast<const unsigned char*>(text.data()), text.size()) != RHN_OK)
    refuse(file, "is no PEM public key");
  std::string why;
  const auto algorithm = algorithm_of(key, why);
  if (algorithm == R_JWA_ALG_UNKNOWN)
    refuse(file, why);
  // rhonabwy makes up a `kid` from the key's digest, which no token needs to know.
  return {std::move(key), algorithm, ""};
}

verification_key read_secret(const std::string& file, std::string text, mode_t mode) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r'))
    text.pop_back();
  require_private_file(file, mode);
  if (text.size() < secret_bytes_min)
    refuse(file, fmt::format("a secret needs at least {} bytes", secret_bytes_min));
  auto key = new_key();
  if (r_jwk_import_from_symmetric_key(key.get(), reinterpret_cast<const unsigned char*>(text.data()), text.size()) !=
      RHN_OK)
    refuse(file, "is no usable secret");
  return {std::move(key), R_JWA_ALG_HS256, ""};
}

/// Keys of other types, for encryption or for another algorithm are left out (RFC 7517, section 5).
void read_jwk_set(const std::string& file, const std::string& text, mode_t mode, std::vector<verification_key>& out) {
  const json_ptr set{json_loadb(text.data(), text.size(), JSON_REJECT_DUPLICATES, nullptr)};
  const json_t* keys = json_object_get(set.get(), "keys");
  if (!json_is_array(keys))
    refuse(file, "is no JWK set: it has no \"keys\"");
  const auto before = out.size();
  std::string why = "it is empty";
  for (std::size_t i = 0; i < json_array_size(keys); ++i) {
    const json_ptr copy{json_deep_copy(json_array_get(keys, i))};
    for (const char* chain : {"x5u", "x5c"})
      json_object_del(copy.get(), chain);
    auto key = new_key();
    if (r_jwk_import_from_json_t(key.get(), copy.get()) != RHN_OK || property(key, "use") == "enc") {
      why = "an entry is no key for signatures";
      continue;
    }
    const auto algorithm = algorithm_of(key, why);
    const auto bound = property(key, "alg");
    if (algorithm == R_JWA_ALG_UNKNOWN || (!bound.empty() && bound != r_jwa_alg_to_str(algorithm)))
      continue;
    if (algorithm == R_JWA_ALG_HS256)
      require_private_file(file, mode);
    const std::string id{property(key, "kid")};
    out.push_back({std::move(key), algorithm, id});
  }
  if (out.size() == before)
    refuse(file, fmt::format("no key of the set is usable ({})", why));
}

void read_key_file(const std::string& file, std::vector<verification_key>& out) {
  struct stat info {};
  std::ifstream in{file, std::ios::binary};
  if (!in || ::stat(file.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
    refuse(file, "cannot be read");
  if (static_cast<std::size_t>(info.st_size) > key_file_bytes_max)
    refuse(file, "is too large for a key");
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos)
    refuse(file, "is empty");
  if (text.compare(first, 10, "-----BEGIN") == 0)
    out.push_back(read_pem(file, text));
  else if (text[first] == '{')
    read_jwk_set(file, text, info.st_mode, out);
  else
    out.push_back(read_secret(file, text, info.st_mode));
}

/// Whether the text is base64url without padding (RFC 7515, section 2) in the one way that its bytes can be written.
/// The library decodes loosely and checks signatures over what it encoded anew.
bool canonical_base64url(std::string_view text) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  if (text.empty() || text.size() % 4 == 1 || text.find_first_not_of(alphabet) != std::string_view::npos)
    return false;
  const auto last = alphabet.find(text.back());
  const std::size_t unused_bits = text.size() % 4 == 2 ? 0xf : text.size() % 4 == 3 ? 0x3 : 0;
  return (last & unused_bits) == 0;
}

/// Header, payload and signature, none of them empty.
bool is_compact_jws(std::string_view token) {
  const auto first = token.find('.');
  const auto last = token.rfind('.');
  return first != last && canonical_base64url(token.substr(0, first)) &&
         canonical_base64url(token.substr(first + 1, last - first - 1)) && canonical_base64url(token.substr(last + 1));
}

failure unauthorized(std::string why) { return {error_code::unauthorized, std::move(why), {}}; }

/// The claim of this name as text; `nullptr` where it is absent or something else.
const char* text_claim(const json_t* claims, const char* name) {
  return json_string_value(json_object_get(claims, name));
}

/// A NumericDate (RFC 7519, section 2) in milliseconds.
/// @returns false where the claim is there but is no sensible time
bool time_claim(const json_t* claims, const char* name, std::optional<wall_ms>& out) {
  const json_t* value = json_object_get(claims, name);
  if (value == nullptr)
    return true;
  const double seconds = json_number_value(value);
  if (!json_is_number(value) || !std::isfinite(seconds) || seconds < 0 || seconds > 1e12)
    return false;
  out = static_cast<wall_ms>(seconds * 1000);
  return true;
}

bool has_audience(const json_t* claims, const std::string& wanted) {
  const json_t* value = json_object_get(claims, "aud");
  if (json_is_string(value))
    return wanted == json_string_value(value);
  for (std::size_t i = 0; i < json_array_size(value); ++i)
    if (const char* one = json_string_value(json_array_get(value, i)); one != nullptr && wanted == one)
      return true;
  return false;
}

bool valid_user(std::string_view user) {
  return !user.empty() && user.size() <= user_bytes_max && std::none_of(user.begin(), user.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

std::optional<failure> check_times(const json_t* claims, wall_ms now, wall_ms leeway, identity& out) {
  std::optional<wall_ms> expires;
  std::optional<wall_ms> not_before;
  std::optional<wall_ms> issued;
  if (!time_claim(claims, "exp", expires) || !time_claim(claims, "nbf", not_before) ||
      !time_claim(claims, "iat", issued))
    return unauthorized("the token's exp, nbf or iat is no time");
  if (expires && now >= *expires + leeway)
    return failure{error_code::expired, "the token has expired", {}};
  if ((not_before && now < *not_before - leeway) || (issued && now < *issued - leeway))
    return unauthorized("the token is not valid yet");
  out.expires_ms = expires ? *expires + leeway : 0;
  return {};
}

std::optional<failure> read_rights(const json_t* claims, const caps& fallback, identity& out) {
  const json_t* value = json_object_get(claims, "caps");
  if (value == nullptr) {
    out.rights = fallback;
    return {};
  }
  capability_list pairs;
  const char* pattern = nullptr;
  json_t* rights = nullptr;
  json_object_foreach(const_cast<json_t*>(value), pattern, rights) {
    if (!json_is_string(rights))
      return unauthorized("the token's caps are no patterns with rights");
    pairs.emplace_back(pattern, json_string_value(rights));
  }
  if (!json_is_object(value))
    return unauthorized("the token's caps are no patterns with rights");
  auto parsed = caps::parse(pairs);
  if (const auto* wrong = std::get_if<failure>(&parsed))
    return unauthorized("the token's caps: " + wrong->message);
  out.rights = std::move(std::get<caps>(parsed));
  return {};
}

} // namespace

struct authenticator::state {
  std::vector<verification_key> keys;
  config::auth_section settings;
  caps default_rights;

  explicit state(const config::auth_section& from)
      : settings(from) {
    prepare_library();
    for (const auto& file : from.keys)
      read_key_file(file, keys);
    auto rights = caps::parse(from.default_caps);
    if (const auto* wrong = std::get_if<failure>(&rights))
      throw std::runtime_error{"auth.default_caps: " + wrong->message};
    default_rights = std::move(std::get<caps>(rights));
  }

  /// The claims of a token whose signature one of our keys made, or why not.
  std::variant<json_ptr, failure> open(std::string_view token) const {
    if (!is_compact_jws(token))
      return unauthorized("not a signed token");
    jws_t* raw = nullptr;
    if (r_jws_init(&raw) != RHN_OK)
      throw std::bad_alloc{};
    const jws_ptr jws{raw};
    if (r_jws_advanced_compact_parsen(jws.get(), token.data(), token.size(), R_PARSE_NONE, no_remote) != RHN_OK)
      return unauthorized("not a signed token");
    const json_ptr critical{r_jws_get_header_json_t_value(jws.get(), "crit")};
    if (critical)
      return unauthorized("the token asks for extensions that are not known"); // RFC 7515, section 4.1.11.
    const auto algorithm = r_jws_get_alg(jws.get());
    const char* id = r_jws_get_kid(jws.get());
    const auto usable = [&](const verification_key& k) {
      return k.algorithm == algorithm && (id == nullptr || k.id.empty() || k.id == id);
    };
    for (const auto& k : keys) {
      if (!usable(k) || r_jws_verify_signature(jws.get(), k.key.get(), no_remote) != RHN_OK)
        continue;
      std::size_t size = 0;
      const auto* payload = reinterpret_cast<const char*>(r_jws_get_payload(jws.get(), &size));
      json_ptr claims{payload == nullptr ? nullptr : json_loadb(payload, size, JSON_REJECT_DUPLICATES, nullptr)};
      if (!json_is_object(claims.get()))
        return unauthorized("the token holds no claims");
      return claims;
    }
    return unauthorized(std::any_of(keys.begin(), keys.end(), usable) ? "the token's signature is not valid"
                                                                      : "no key is configured for the token");
  }

  std::variant<identity, failure> read(const json_t* claims, wall_ms now) const {
    identity out;
    if (const char* user = text_claim(claims, "sub"))
      out.user = user;
    if (json_object_get(claims, "sub") != nullptr && (!out.user || !valid_user(*out.user)))
      return unauthorized("the token's sub is no user name");
    if (!settings.audience.empty() && !has_audience(claims, settings.audience))
      return unauthorized("the token is for another audience");
    const char* issuer = text_claim(claims, "iss");
    if (!settings.issuer.empty() && (issuer == nullptr || settings.issuer != issuer))
      return unauthorized("the token is from another issuer");
    if (auto wrong = check_times(claims, now, settings.leeway.count(), out))
      return *wrong;
    if (auto wrong = read_rights(claims, default_rights, out))
      return *wrong;
    const json_t* admin = json_object_get(claims, "admin");
    if (admin != nullptr && !json_is_boolean(admin))
      return unauthorized("the token's admin is neither true nor false");
    out.admin = json_is_true(admin);
    if (const char* token_id = text_claim(claims, "jti"))
      out.token_id = token_id;
    return out;
  }
};

authenticator::authenticator(const config::auth_section& settings)
    : state_(std::make_shared<const state>(settings)) {}

authenticator::~authenticator() = default;

bool authenticator::keyed() const noexcept { return !state_.load()->keys.empty(); }

std::variant<identity, failure> authenticator::verify(std::string_view token, wall_ms now) const {
  const auto s = state_.load();
  if (token.size() > token_bytes_max)
    return unauthorized("the token is too long");
  auto claims = s->open(token);
  if (auto* wrong = std::get_if<failure>(&claims))
    return std::move(*wrong);
  return s->read(std::get<json_ptr>(claims).get(), now);
}

identity authenticator::anonymous(std::optional<std::string> user) const {
  identity out;
  out.user = std::move(user);
  out.rights = caps::all();
  return out;
}

void authenticator::reload(const config::auth_section& settings) {
  state_.store(std::make_shared<const state>(settings));
}

} // namespace troupe
