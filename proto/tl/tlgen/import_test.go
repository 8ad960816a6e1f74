package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/tl/tlset"
)

func TestImport(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"types.x.tsv": "pb_message\tnumber\tname\tkind\tlabel\tmessage_type\n" +
			"User\t1\tpredicate_name\tstring\tsingular\t\nUser\t2\tconstructor\tenum.TLConstructor\tsingular\tTLConstructor\n" +
			"User\t3\tid\tint64\tsingular\t\nTL_user\t1\tdata2\tmsg.User\tsingular\tUser\n" +
			"TL_users_get\t1\tconstructor\tenum.TLConstructor\tsingular\tTLConstructor\n" +
			"TL_users_get\t3\tids\tint64\trepeated\t\nVector_User\t1\tdatas\tmsg.User\trepeated\tUser\n",
		"layers.x.tsv": "predicate\tlayers\tcrc\tsource\nuser\t10-12\t00000001\treg\nuser\t14-20\t00000001\treg\n" +
			"user\t13-13\t00000002\treg\nuserCore\tany\t00000004\treg\n",
		"constructors.x.tsv": "predicate\tcrc\ttl_type\tpb_union\tlayers\tfields\n" +
			"user\t00000001\tUser\tUser\t1-99\tid|long|id|3|int64\nuser\t00000002\tUser\tUser\t1-99\tname|long|id|3|int64\n" +
			"userEmpty\t00000003\tUser\tUser\t1-15\t\nuserCore\t00000004\tUser\tUser\t\t\n",
		"methods.x.tsv": "tl_name\tcrc\tlayers\tpb_request\tgrpc_path\tpb_result\tfields\ttl_result\n" +
			"users.get\t000000ff\t9-30\tTL_users_get\t/m.U/users_get\tVector_User\tid|Vector<long>|ids|3|rep.int64\tVector<User>\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	file := filepath.Join(dir, "x.tls")
	require.NoError(t, run([]string{"import", "-release", "x", "-dir", dir, "-suffix", ".x", "-o", file}))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, `tlset x layers 10-20

box TL_user User
request TL_users_get
	3 ids int64 repeated
union User
	3 id int64
vector Vector_User msg.User

ctor user#00000001 10-12,14-20 id:long = User
ctor user#00000002 13 name>id:long = User
ctor userCore#00000004 * = User
ctor userEmpty#00000003 10-15 = User

method users.get#000000ff 9-30 TL_users_get /m.U/users_get id>ids:Vector<long> = Vector<User>
`, string(text))

	require.NoError(t, run([]string{"pack", "-o", dir, file}))
	packed, err := os.ReadFile(file + ".zst")
	require.NoError(t, err)
	unpacked, err := tlset.Unpack(packed)
	require.NoError(t, err)
	require.Equal(t, text, unpacked)

	require.NoError(t, os.WriteFile(file, bytes.ReplaceAll(text, []byte(" id:long"), []byte(" id>id:long")), 0o600))
	require.NoError(t, run([]string{"fmt", file}))
	again, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(text), string(again))

	for _, args := range [][]string{nil, {"unknown"}, {"fmt", "none"}, {"pack", "none"}, {"import", "-dir", "none"}, {"fmt", "-bad"}} {
		require.Error(t, run(args), args)
	}
}

func TestExtract(t *testing.T) {
	dir := t.TempDir()
	newer, older := filepath.Join(dir, "new"), filepath.Join(dir, "old")
	require.NoError(t, os.WriteFile(newer, []byte("tlset 1.10 layers 1-2\n\n\n\n"), 0o600))
	require.NoError(t, os.WriteFile(older, []byte("tlset 1.1 layers 1-2\n\n\n\n"), 0o600))
	packed := filepath.Join(dir, "sets.zst")
	require.NoError(t, run([]string{"archive", "-o", packed, newer, older}))

	require.NoError(t, run([]string{"extract", "-o", dir, "-release", "1.1", packed}))
	require.NoFileExists(t, filepath.Join(dir, "1.10.tls"))
	require.NoError(t, run([]string{"extract", "-o", dir, packed}))
	for name, source := range map[string]string{"1.10.tls": newer, "1.1.tls": older} {
		want, err := os.ReadFile(source)
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
	}
	require.ErrorIs(t, run([]string{"extract", "-o", dir, "-release", "1", packed}), tlset.ErrNotThere)
}
