package authsession

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// A session is found by its hash where the other filters let it through, and is not
// where one of them does not.
func TestAHashIsSearchedWithinTheOtherFilters(t *testing.T) {
	o := administered(t)
	key, hash := o.login(777, "Pixel 9")
	_, err := o.db.Exec("UPDATE auths SET region = 'DE', country = 'Berlin, Germany' WHERE auth_key_id = ?", key)
	require.NoError(t, err)
	found := func(filter string) bool {
		t.Helper()
		code, answer := o.call("GET", fmt.Sprintf("/v1/sessions?q=%d%s", hash, filter), "")
		require.Equal(t, 200, code, answer)
		list, _ := answer["sessions"].([]any)
		for _, one := range list {
			require.Equal(t, fmt.Sprint(hash), one.(map[string]any)["hash"])
		}
		return len(list) == 1
	}
	for _, one := range []struct{ name, fits, other string }{
		{"none", "", "&active=false"},
		{"liveness", "&active=true", "&active=false"},
		{"user", "&user_id=777", "&user_id=778"},
		{"device type", "&device_type=android", "&device_type=ios"},
		{"app", "&api_id=6", "&api_id=7"},
		{"address", "&ip=10.1.2.0/24", "&ip=10.1.3.0/24"},
		{"country", "&country=DE", "&country=FR"},
		{"platform", "&platform=android", "&platform=ios"},
		{"model", "&device_model=pixel", "&device_model=iphone"},
		{"sign-in", "&signed_in_after=2020-01-01T00:00:00Z", "&signed_in_before=2020-01-01T00:00:00Z"},
		{"activity", "&active_after=2020-01-01T00:00:00Z", "&active_before=2020-01-01T00:00:00Z"},
	} {
		require.True(t, found(one.fits), "%s that fits", one.name)
		require.False(t, found(one.other), "%s of another", one.name)
	}
}
