#undef BOOST_TEST_MODULE
#include "runtime/system/identity.hpp"

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <random>
#include <rhonabwy.h>
#include <stdexcept>
#include <sys/stat.h>

using namespace troupe;

namespace {

constexpr wall_ms now = 1'700'000'000'000;
constexpr std::int64_t now_s = now / 1000;
const std::string secret = "a secret that is longer than thirty-two bytes";

std::string base64url(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(n));
  while (!out.empty() && out.back() == '=')
    out.pop_back();
  for (char& c : out)
    c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

/// A token that names any algorithm, with an HMAC as its signature.
std::string hmac_token(const std::string& header, const std::string& claims, const std::string& key) {
  const auto signed_part = base64url(header) + "." + base64url(claims);
  unsigned char digest[32];
  unsigned size = sizeof digest;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(signed_part.data()), signed_part.size(), digest, &size);
  return signed_part + "." + base64url({reinterpret_cast<const char*>(digest), size});
}

/// A key pair of one kind, with which a test signs.
class key_pair {
public:
  key_pair(int type, unsigned bits, jwa_alg algorithm)
      : algorithm_(algorithm) {
    r_jwk_init(&private_);
    r_jwk_init(&public_);
    BOOST_REQUIRE(r_jwk_generate_key_pair(private_, public_, type, bits, nullptr) == RHN_OK);
    // The library makes up an id, which would stand in every token.
    r_jwk_delete_property_str(private_, "kid");
    r_jwk_delete_property_str(public_, "kid");
  }
  ~key_pair() {
    r_jwk_free(private_);
    r_jwk_free(public_);
  }
  key_pair(const key_pair&) = delete;
  key_pair& operator=(const key_pair&) = delete;

  std::string pem(bool secret_part = false) const {
    std::string out(8192, '\0');
    std::size_t size = out.size();
    BOOST_REQUIRE(r_jwk_export_to_pem_der(secret_part ? private_ : public_, R_FORMAT_PEM,
                                          reinterpret_cast<unsigned char*>(out.data()), &size, 0) == RHN_OK);
    out.resize(size);
    return out;
  }

  std::string jwk(const char* id) const {
    jwk_t* copy = r_jwk_copy(public_);
    r_jwk_set_property_str(copy, "kid", id);
    char* text = r_jwk_export_to_json_str(copy, 0);
    std::string out = text;
    r_free(text);
    r_jwk_free(copy);
    return out;
  }

  std::string sign(const std::string& claims, const char* id = nullptr) const {
    jws_t* jws = nullptr;
    r_jws_init(&jws);
    r_jws_set_alg(jws, algorithm_);
    r_jws_set_payload(jws, reinterpret_cast<const unsigned char*>(claims.data()), claims.size());
    if (id != nullptr)
      r_jws_set_header_str_value(jws, "kid", id);
    char* text = r_jws_serialize(jws, private_, 0);
    BOOST_REQUIRE(text != nullptr);
    std::string out = text;
    r_free(text);
    r_jws_free(jws);
    return out;
  }

private:
  jwa_alg algorithm_;
  jwk_t* private_ = nullptr;
  jwk_t* public_ = nullptr;
};

const key_pair& rsa() {
  static const key_pair pair{R_KEY_TYPE_RSA, 2048, R_JWA_ALG_RS256};
  return pair;
}
const key_pair& ec() {
  static const key_pair pair{R_KEY_TYPE_EC, 256, R_JWA_ALG_ES256};
  return pair;
}
const key_pair& ed() {
  static const key_pair pair{R_KEY_TYPE_EDDSA, 256, R_JWA_ALG_EDDSA};
  return pair;
}

/// A folder of key files that goes with its test.
struct key_folder {
  key_folder() {
    char name[] = "/tmp/troupe-keys-XXXXXX";
    BOOST_REQUIRE(mkdtemp(name) != nullptr);
    path = name;
  }
  ~key_folder() { std::filesystem::remove_all(path); }
  key_folder(const key_folder&) = delete;
  key_folder& operator=(const key_folder&) = delete;

  std::string put(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    const auto file = path + "/" + name;
    std::ofstream{file} << text;
    chmod(file.c_str(), mode);
    return file;
  }
  std::string path;
};

config::auth_section with(std::vector<std::string> keys) {
  config::auth_section out;
  out.keys = std::move(keys);
  return out;
}

identity accepted(const authenticator& a, const std::string& token, wall_ms at = now) {
  const auto result = a.verify(token, at);
  if (const auto* wrong = std::get_if<failure>(&result))
    BOOST_FAIL(wrong->message);
  return std::get<identity>(result);
}

failure refused(const authenticator& a, const std::string& token, wall_ms at = now) {
  const auto result = a.verify(token, at);
  BOOST_REQUIRE(std::holds_alternative<failure>(result));
  return std::get<failure>(result);
}

std::string hs256(const std::string& claims) { return hmac_token(R"({"alg":"HS256","typ":"JWT"})", claims, secret); }

} // namespace

BOOST_AUTO_TEST_SUITE(identity_suite)

BOOST_AUTO_TEST_CASE(all_four_algorithms_verify) {
  const key_folder folder;
  const authenticator a{with({folder.put("rsa.pem", rsa().pem(), 0644), folder.put("ec.pem", ec().pem(), 0644),
                              folder.put("ed.pem", ed().pem(), 0644), folder.put("secret", secret + "\n")})};
  BOOST_TEST(a.keyed());
  const std::string claims = R"({"sub":"ada","jti":"t1","admin":true})";
  for (const auto& token : {rsa().sign(claims), ec().sign(claims), ed().sign(claims), hs256(claims)}) {
    const auto who = accepted(a, token);
    BOOST_TEST(who.user.value() == "ada");
    BOOST_TEST(who.token_id == "t1");
    BOOST_TEST(who.admin);
    BOOST_TEST(who.expires_ms == 0);
  }
}

BOOST_AUTO_TEST_CASE(tampered_tokens_are_refused) {
  const key_folder folder;
  const authenticator a{with({folder.put("rsa.pem", rsa().pem()), folder.put("ec.pem", ec().pem()),
                              folder.put("ed.pem", ed().pem()), folder.put("secret", secret)})};
  const std::string claims = R"({"sub":"ada"})";
  for (const auto& token : {rsa().sign(claims), ec().sign(claims), ed().sign(claims), hs256(claims)}) {
    const auto first = token.find('.');
    const auto last = token.rfind('.');
    const auto forged = token.substr(0, first + 1) + base64url(R"({"sub":"eve"})") + token.substr(last);
    BOOST_TEST((refused(a, forged).code == error_code::unauthorized));
    auto flipped = token;
    flipped[last + 5] = flipped[last + 5] == 'A' ? 'B' : 'A';
    refused(a, flipped);
    refused(a, token.substr(0, last + 1));
    refused(a, token.substr(0, last));
    refused(a, token + "A");
    refused(a, token + ".x");
  }
}

BOOST_AUTO_TEST_CASE(the_algorithm_follows_from_the_key) {
  const key_folder folder;
  const auto pem = rsa().pem();
  const authenticator a{with({folder.put("rsa.pem", pem)})};
  const std::string claims = R"({"sub":"eve"})";
  // RFC 8725, section 2.1: the public key as the secret of an HMAC, and no signature at all.
  refused(a, hmac_token(R"({"alg":"HS256"})", claims, pem));
  refused(a, hmac_token(R"({"alg":"RS256"})", claims, pem));
  for (const std::string none : {"none", "None", "NONE", ""}) {
    refused(a, base64url(R"({"alg":")" + none + "\"}") + "." + base64url(claims) + ".");
    refused(a, hmac_token(R"({"alg":")" + none + "\"}", claims, pem));
  }
  refused(a, ec().sign(claims));
  refused(a, ed().sign(claims));
  refused(a, hs256(claims));
  // Keys that a token brings along do not count.
  refused(a, hmac_token(R"({"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}})", claims, std::string(3, '\0')));
}

BOOST_AUTO_TEST_CASE(other_hashes_and_critical_extensions_are_refused) {
  const key_folder folder;
  const authenticator a{with({folder.put("secret", secret)})};
  refused(a, hmac_token(R"({"alg":"HS512"})", "{}", secret));
  refused(a, hmac_token(R"({"alg":"HS256","crit":["b64"],"b64":true})", "{}", secret));
  accepted(a, hs256("{}"));
}

BOOST_AUTO_TEST_CASE(times_are_checked_with_leeway) {
  const key_folder folder;
  auto settings = with({folder.put("secret", secret)});
  settings.leeway = std::chrono::seconds{30};
  const authenticator a{settings};
  const auto claim = [](const char* name, std::int64_t seconds) {
    return hs256(std::string{"{\""} + name + "\":" + std::to_string(now_s + seconds) + "}");
  };
  BOOST_TEST(accepted(a, claim("exp", 100)).expires_ms == now + 130'000);
  accepted(a, claim("exp", -29));
  BOOST_TEST((refused(a, claim("exp", -30)).code == error_code::expired));
  accepted(a, claim("nbf", 30));
  BOOST_TEST((refused(a, claim("nbf", 31)).code == error_code::unauthorized));
  accepted(a, claim("iat", 30));
  refused(a, claim("iat", 31));
  for (const auto* odd : {R"({"exp":"soon"})", R"({"exp":-1})", R"({"exp":1e300})", R"({"exp":null})", R"({"nbf":[]})"})
    refused(a, hs256(odd));
}

BOOST_AUTO_TEST_CASE(audience_and_issuer_are_checked) {
  const key_folder folder;
  auto settings = with({folder.put("secret", secret)});
  settings.audience = "chat";
  settings.issuer = "https://id.example";
  const authenticator a{settings};
  accepted(a, hs256(R"({"aud":"chat","iss":"https://id.example"})"));
  accepted(a, hs256(R"({"aud":["x","chat"],"iss":"https://id.example"})"));
  refused(a, hs256(R"({"aud":"chat2","iss":"https://id.example"})"));
  refused(a, hs256(R"({"aud":{"chat":1},"iss":"https://id.example"})"));
  refused(a, hs256(R"({"iss":"https://id.example"})"));
  refused(a, hs256(R"({"aud":"chat","iss":"https://id.example/"})"));
  refused(a, hs256(R"({"aud":"chat"})"));
}

BOOST_AUTO_TEST_CASE(rights_come_from_caps_or_the_default) {
  const key_folder folder;
  auto settings = with({folder.put("secret", secret)});
  settings.default_caps = {{"room:open.*", "r"}};
  const authenticator a{settings};
  const auto given = accepted(a, hs256(R"({"sub":"u","caps":{"room:chat.*":"rw"}})"));
  BOOST_TEST(given.rights.allows("room", "chat.1", right::write));
  BOOST_TEST(!given.rights.allows("room", "chat.1", right::presence));
  BOOST_TEST(!given.rights.allows("room", "open.1", right::read));
  const auto fallback = accepted(a, hs256(R"({"sub":"u"})"));
  BOOST_TEST(fallback.rights.allows("room", "open.1", right::read));
  BOOST_TEST(!fallback.rights.allows("room", "open.1", right::write));
  const auto none = accepted(a, hs256(R"({"sub":"u","caps":{}})"));
  BOOST_TEST(!none.rights.allows("room", "open.1", right::read));
  for (const auto* odd : {R"({"caps":"rwp"})", R"({"caps":{"room:a":1}})", R"({"caps":{"room:a":"x"}})",
                          R"({"caps":[]})", R"({"caps":null})"})
    refused(a, hs256(odd));
}

BOOST_AUTO_TEST_CASE(odd_claims_are_refused) {
  const key_folder folder;
  const authenticator a{with({folder.put("secret", secret)})};
  for (const std::string odd :
       {R"({"sub":""})", R"({"sub":5})", R"({"sub":"a\nb"})", R"({"sub":"a\u0000b"})", R"({"admin":"true"})",
        R"({"admin":1})", R"([1])", R"("x")", R"({"sub":"a","sub":"b"})", R"({"sub":)", "", "\xff"})
    refused(a, hs256(odd));
  refused(a, hs256(R"({"sub":")" + std::string(257, 'u') + "\"}"));
  BOOST_TEST(!accepted(a, hs256(R"({"sub":"a"})")).admin);
}

BOOST_AUTO_TEST_CASE(garbage_and_long_tokens_are_refused) {
  const key_folder folder;
  const authenticator a{with({folder.put("secret", secret), folder.put("ed.pem", ed().pem())})};
  for (const std::string token : {"", ".", "..", "...", "a.b.c", "x", "=.=.=", "{}"})
    refused(a, token);
  refused(a, hs256(R"({"x":")" + std::string(authenticator::token_bytes_max, 'x') + "\"}"));
  const auto seed = std::random_device{}();
  BOOST_TEST_MESSAGE("seed " << seed);
  std::mt19937 random{seed};
  const auto valid = ed().sign(R"({"sub":"ada"})");
  for (int i = 0; i < 500; ++i) {
    auto token = valid.substr(0, valid.rfind('.'));
    token[random() % token.size()] = static_cast<char>(random() % 256);
    token += valid.substr(valid.rfind('.'));
    if (token != valid)
      BOOST_TEST(std::holds_alternative<failure>(a.verify(token, now)), token << " with seed " << seed);
  }
}

BOOST_AUTO_TEST_CASE(key_sets_choose_by_id) {
  const key_folder folder;
  const auto set =
      R"({"keys":[{"kty":"EC","crv":"P-521"},{"kty":"unknown"},)" + ed().jwk("one") + "," + ec().jwk("two") + "]}";
  const authenticator a{with({folder.put("jwks.json", set, 0644)})};
  const std::string claims = R"({"sub":"ada"})";
  accepted(a, ed().sign(claims, "one"));
  accepted(a, ec().sign(claims, "two"));
  accepted(a, ec().sign(claims));
  refused(a, ed().sign(claims, "two"));
  refused(a, ed().sign(claims, "three"));
}

BOOST_AUTO_TEST_CASE(bad_key_files_are_named) {
  const key_folder folder;
  const key_pair small{R_KEY_TYPE_RSA, 1024, R_JWA_ALG_RS256};
  const std::string oct = R"({"keys":[{"kty":"oct","k":")" + base64url(secret) + "\"}]}";
  BOOST_TEST(authenticator{with({folder.put("oct.json", oct)})}.keyed());
  for (const auto& file :
       {folder.path + "/missing", folder.path, folder.put("open", secret, 0644), folder.put("short", "short"),
        folder.put("empty", "\n"), folder.put("private.pem", ed().pem(true)), folder.put("small.pem", small.pem()),
        folder.put("torn.pem", ed().pem().substr(0, 50)), folder.put("set.json", "{\"keys\":[]}"),
        folder.put("odd.json", "{\"keys\":5}"), folder.put("open.json", oct, 0644), folder.put("bad.json", "{")})
    BOOST_CHECK_EXCEPTION((authenticator{with({file})}), std::runtime_error, [&](const std::runtime_error& e) {
      const std::string what = e.what();
      return what.find("auth.keys: " + file + ": ") == 0 && what.find('\n') == std::string::npos;
    });
}

BOOST_AUTO_TEST_CASE(reload_exchanges_keys_and_keeps_the_old_on_an_error) {
  const key_folder folder;
  const auto file = folder.put("key", secret);
  authenticator a{with({file})};
  const auto token = hs256("{}");
  folder.put("key", ed().pem());
  a.reload(with({file}));
  refused(a, token);
  accepted(a, ed().sign("{}"));
  BOOST_CHECK_THROW(a.reload(with({folder.path + "/none"})), std::runtime_error);
  accepted(a, ed().sign("{}"));
}

BOOST_AUTO_TEST_CASE(without_keys_nothing_verifies) {
  const authenticator a{config::auth_section{}};
  BOOST_TEST(!a.keyed());
  refused(a, hs256("{}"));
  refused(a, "");
  const auto guest = a.anonymous("ada");
  BOOST_TEST(!guest.admin);
  BOOST_TEST(guest.user.value() == "ada");
  BOOST_TEST(guest.rights.allows("room", "any", right::presence));
}

BOOST_AUTO_TEST_SUITE_END()
