package config

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/admintest"
)

func TestWebhooks(t *testing.T) {
	secret := admintest.File(t, "secret", []byte(admintest.Secret))
	short := admintest.File(t, "short", []byte("short"))
	hook := func(members string) string { return "Events: {Stream: s, Webhooks: [{" + members + "}]}" }
	for yaml, want := range map[string]string{
		hook("Name: a, URL: 'https://example.org/hook', SecretFile: " + secret):                                                     "",
		hook("Name: a, URL: 'http://127.0.0.1:8080/', SecretFile: " + secret + ", Types: [session.revoked]"):                        "",
		hook("Name: a, URL: 'http://example.org/', AllowPlain: true, SecretFile: " + secret):                                        "",
		hook("Name: a, URL: 'http://example.org/', SecretFile: " + secret):                                                          "Events.Webhooks[0].URL sends events unencrypted",
		hook("Name: a, URL: 'https://user:pw@example.org/', SecretFile: " + secret):                                                 "Events.Webhooks[0].URL is no URL",
		hook("Name: a, URL: 'ftp://example.org/', SecretFile: " + secret):                                                           "Events.Webhooks[0].URL is no URL",
		hook("Name: 'a b', URL: 'https://example.org/', SecretFile: " + secret):                                                     "Events.Webhooks[0].Name is",
		hook("Name: a, URL: 'https://example.org/', SecretFile: " + short):                                                          "Events.Webhooks[0].SecretFile holds 5 bytes",
		hook("Name: a, URL: 'https://example.org/', SecretFile: /nowhere"):                                                          "Events.Webhooks[0].SecretFile cannot be read",
		hook("Name: a, URL: 'https://example.org/', Attempts: 0, SecretFile: " + secret):                                            "Events.Webhooks[0].Attempts is 0: give 1 to 100",
		"Events: {Webhooks: [{Name: a, URL: 'https://example.org/', SecretFile: " + secret + "}]}":                                  "Events.Webhooks need a stream",
		hook("Name: a, URL: 'https://a.org/', SecretFile: " + secret + "}, {Name: a, URL: 'https://b.org/', SecretFile: " + secret): "Events.Webhooks[1].Name is",
	} {
		_, err := background(t, yaml)
		if want == "" {
			require.NoError(t, err, yaml)
		} else {
			require.ErrorContains(t, err, want, yaml)
		}
	}
}
