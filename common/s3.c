/* s3 - URLs are taken apart as little as possible: what is not plainly ours is a stranger's. */

#include "common/s3.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "common/log.h"

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyz0123456789-."
#define PATH_CHARS NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZ_~/"

enum err s3_open(struct s3 *s, const struct settings *settings, int fd, const char **why_out)
{
	const char *bucket = get_setting(settings, "s3.bucket");
	unsigned line;

	*s = (struct s3){ .endpoint = get_setting(settings, "s3.endpoint") };
	s->virtual_host = strcmp(get_setting(settings, "s3.style"), "virtual") == 0;
	if (*bucket)
		snprintf(s->own, sizeof(s->own), "s3://%s", bucket);
	if (fd < 0)
		return OK;
	enum err e = credentials_read(fd, &s->credentials, &line, why_out);
	if (e)
		return e;
	snprintf(s->scope, sizeof(s->scope), "aws:amz:%s:s3", get_setting(settings, "s3.region"));
	s->has_credentials = true;
	s->sign = (struct http_sign){
		.scope = s->scope,
		.access_key = s->credentials.access_key,
		.secret_key = s->credentials.secret_key,
		.session_token = s->credentials.session_token,
	};
	return OK;
}

/* Nothing that a server or libcurl could read in another way than the signature does. */
static bool is_plain_path(const char *path)
{
	return strspn(path, PATH_CHARS) == strlen(path) && !strstr(path, "/.") &&
	       !strstr(path, "//");
}

/* HOST:PORT of the endpoint, or a name directly before it. */
static bool is_our_host(const struct s3 *s, const char *host, size_t len)
{
	const char *ours = strstr(s->endpoint, "://");
	size_t own = ours ? strlen(ours + 3) : 0;

	if (!own || len < own || strncasecmp(host + len - own, ours + 3, own) != 0)
		return false;
	if (len == own)
		return true;
	return host[len - own - 1] == '.' && strspn(host, NAME_CHARS) >= len - own;
}

static bool is_ours(const struct s3 *s, const char *url, const char *host, size_t len)
{
	size_t scheme = (size_t)(host - url);

	return strncasecmp(url, s->endpoint, scheme) == 0 && is_our_host(s, host, len) &&
	       is_plain_path(host + len);
}

/* NAME/PREFIX at the endpoint. */
static const char *by_name(const struct s3 *s, const char *name, struct s3_place *out)
{
	size_t len = strcspn(name, "/");
	const char *host = strstr(s->endpoint, "://");
	/* No certificate is for two names below the endpoint. */
	bool dotted = memchr(name, '.', len) && strncmp(s->endpoint, "https:", 6) == 0;
	int n;

	if (!host)
		return "it needs s3_config.endpoint, or s3_config.region for AWS";
	if (len < 3 || len > 63 || strspn(name, NAME_CHARS) < len || *name == '.' ||
	    !is_plain_path(name + len))
		return "this is no s3://bucket or s3://bucket/prefix";
	host += 3;
	if (s->virtual_host && !dotted)
		n = snprintf(out->url, S3_URL_MAX, "%.*s%.*s.%s%s", (int)(host - s->endpoint),
			     s->endpoint, (int)len, name, host, name + len);
	else
		n = snprintf(out->url, S3_URL_MAX, "%s/%s", s->endpoint, name);
	check(n > 0 && n < S3_URL_MAX);
	out->is_ours = true;
	return NULL;
}

static const char *by_url(const struct s3 *s, const char *url, struct s3_place *out)
{
	const char *host = strstr(url, "://");
	size_t len = host ? strcspn(host + 3, "/?#\\") : 0;

	if (len == 0 || (strncasecmp(url, "http:", 5) != 0 && strncasecmp(url, "https:", 6) != 0))
		return "not a usable http URL";
	host += 3;
	if (memchr(host, '@', len)) {
		snprintf(out->url, S3_URL_MAX, "%.*s...", (int)(host - url), url);
		return "a user name in a registered URL is not used";
	}
	out->is_ours = is_ours(s, url, host, len);
	return NULL;
}

bool s3_find(const struct s3 *s, const char *bucket_url, struct s3_place *out, const char **why_out)
{
	char url[S3_BUCKET_MAX];
	size_t len = strlen(bucket_url);

	check(len < sizeof(url));
	memcpy(url, bucket_url, len + 1);
	while (len && url[len - 1] == '/')
		url[--len] = 0;
	snprintf(out->url, S3_URL_MAX, "%s", url);
	out->is_ours = false;
	*why_out = strncasecmp(url, "s3://", 5) == 0 ? by_name(s, url + 5, out)
						     : by_url(s, url, out);
	return !*why_out;
}

const struct http_sign *s3_signer(const struct s3 *s, const struct s3_place *place)
{
	return s->has_credentials && place->is_ours ? &s->sign : NULL;
}

char *s3_error(struct bytes body, char out[S3_ERROR_MAX])
{
	static const char tag[] = "<Code>";
	const uint8_t *end = body.p + body.len;
	const uint8_t *at = body.len ? memmem(body.p, body.len, tag, sizeof(tag) - 1) : NULL;
	size_t n = 0;

	if (at)
		for (at += sizeof(tag) - 1; at < end && isalpha(*at) && n < S3_ERROR_MAX - 1; at++)
			out[n++] = (char)*at;
	out[n] = 0;
	return out;
}
