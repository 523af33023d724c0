/*
 * address - which IP addresses a URL that strangers wrote may lead to.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

/* False for private, loopback, link-local, shared, multicast, reserved and unknown ones. */
bool address_is_public(const struct sockaddr *sa);

/* The same for its text, as libcurl names the other end of a connection. */
bool address_text_is_public(const char *text);
