// Package httperr keeps addresses out of errors. An error of net/http names the URL that
// was called, with its query and who calls. Those often are what lets a caller in, and
// errors go to the log, and on to operators.
package httperr

import (
	"errors"
	"net/url"
)

// Bare returns why a call failed, without the URL that was called; any other error as it is.
func Bare(err error) error {
	var called *url.Error
	if errors.As(err, &called) {
		return called.Err
	}
	return err
}
