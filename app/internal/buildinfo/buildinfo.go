// Package buildinfo says which build this is: the -version flag of both
// services and of the lab prints it.
package buildinfo

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Version is set by the linker (make build); a plain go build leaves it to
// the module's version.
var Version string

// String describes the build in one line: version, commit, Go version and
// platform.
func String(program string) string {
	version, commit := Version, ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if version == "" {
			version = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = " commit " + s.Value
			}
		}
	}
	if version == "" {
		version = "(devel)"
	}
	return fmt.Sprintf("%s %s%s %s %s/%s", program, version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
