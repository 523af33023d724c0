/*
 * s3 - where a bucket is, and which requests carry our signature.
 *
 * What coprocessors register as the URL of their bucket:
 *
 *	https://ct128.s3.eu-west-1.amazonaws.com	virtual host
 *	https://s3.eu-west-1.amazonaws.com/ct128	path style
 *	http://minio.example:9000/ct128			the same, of any server
 *	s3://ct128, s3://ct128/prefix			by name, at the operator's endpoint
 *
 * The operator's endpoint is s3_config.endpoint, or that of AWS in s3_config.region.  Only it and
 * the virtual hosts directly below it get signatures (AWS Signature Version 4), and only they may
 * have private addresses without s3_config.allow_private; a strange host gets neither.
 */
#pragma once

#include "common/credentials.h"
#include "common/http.h"
#include "common/settings.h"

#define S3_BUCKET_MAX 256	/* a registered URL with its NUL */
#define S3_URL_MAX    (S3_BUCKET_MAX + 256)
#define S3_ERROR_MAX  40

struct s3 {
	const char *endpoint;		/* "https://host:port"; "": none.  Borrowed from settings */
	bool virtual_host;		/* how s3:// names become URLs */
	char own[72];			/* "s3://bucket" to be asked last; "": none */
	bool has_credentials;
	struct credentials credentials;
	char scope[64];
	struct http_sign sign;		/* borrows from the two above */
};

struct s3_place {
	char url[S3_URL_MAX];		/* http or https, without a slash at its end */
	bool is_ours;			/* at the operator's endpoint */
};

/* FD holds the credentials, -1: there are none.  Its errors are those of credentials_read(). */
enum err s3_open(struct s3 *s, const struct settings *settings, int fd, const char **why_out)
	MUST_CHECK;

/*
 * Where BUCKET_URL (shorter than S3_BUCKET_MAX) leads.  False: nowhere; *why_out is a constant
 * phrase.  Either way url may be printed.
 */
bool s3_find(const struct s3 *s, const char *bucket_url, struct s3_place *out,
	     const char **why_out);

/* How to sign a request to this place; NULL: not at all. */
const struct http_sign *s3_signer(const struct s3 *s, const struct s3_place *place);

/* What S3 says is wrong, from the body of an error ("SignatureDoesNotMatch"); "" when nothing. */
char *s3_error(struct bytes body, char out[S3_ERROR_MAX]);
