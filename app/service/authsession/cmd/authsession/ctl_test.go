package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// fences finds the code blocks of a Markdown text by language, all of them together.
func fences(t *testing.T, text, language string) (all string) {
	t.Helper()
	found := regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(text, -1)
	require.NotNil(t, found, language)
	for _, block := range found {
		all += block[1]
	}
	return all
}

// The lines of docs/admin.md work as they are printed, on the configuration that
// it prints: ctl as a process, and curl.
func TestTheDocumentedAdminExamples(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl")
	}
	text, err := os.ReadFile("../../../../../docs/admin.md")
	require.NoError(t, err)
	section := string(text)

	folder := t.TempDir()
	key := filepath.Join(folder, "admin.key")
	require.NoError(t, os.WriteFile(key, []byte(strings.Repeat("0123456789abcdef", 4)), 0o600))
	port := func() string { return strconv.Itoa(freeport.Port(t)) }
	here := strings.NewReplacer("/etc/authsession/admin.key", key, "20452", port(), "20453", port())
	v := values(t, testenv.DSN(t, true))
	path := file(t, "stock-app.yaml", v)
	stock, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(stock, []byte("\n"+here.Replace(fences(t, section, "yaml")))...), 0o600))
	serveFile(t, path, v)

	// authsession on the path is this test's own binary.
	require.NoError(t, os.WriteFile(filepath.Join(folder, "authsession"),
		fmt.Appendf(nil, "#!/bin/sh\n%s=1 exec %q \"$@\"\n", childVariable, os.Args[0]), 0o700))
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("bash", "-e", "-o", "pipefail", "-c", strings.ReplaceAll(here.Replace(fences(t, section, "bash")), "curl ", "curl -sS --fail-with-body "))
	admin := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(here.Replace("127.0.0.1:20452"))
	cmd.Env = append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"), "AUTHSESSION_ADMIN="+admin)
	cmd.Dir = folder
	require.NoError(t, os.WriteFile(filepath.Join(folder, "users.txt"), []byte("777\n778\n"), 0o600))
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), "%s%s", stdout.String(), stderr.String())
	require.NotContains(t, stderr.String(), "authsession ctl")
	exported, err := os.ReadFile(filepath.Join(folder, "audit.csv"))
	require.NoError(t, err)
	require.Contains(t, string(exported), ",ChangePolicy,alice,")
	for _, part := range []string{"HASH", "RESULT", "limit-per-device-type", "DRY RUN", "Usage: authsession ctl", `{"sessions":[],"next_page_token":"","total":"0","total_at_least":false}`, "MATCHED", "SIGN-INS/MIN", `"method":"RevokeMatching"`, `{"hashes":[],"ended":[]}`} {
		require.Contains(t, stdout.String(), part)
	}
	rows := 0
	require.NoError(t, testenv.Open(t, v["MYSQL"]).QueryRow("SELECT COUNT(*) FROM auth_admin_logs WHERE caller = 'alice' AND code = 'OK'").Scan(&rows))
	require.Equal(t, 20, rows) // what is only looked at is written once an hour
}
