package protofile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/tlgencmd/protofile"
)

const sample = `/* made
 * by hand */
syntax = "proto3";

package mtproto; // of the project

import "google/protobuf/wrappers.proto";
option go_package = "example.org/a;\"b";
option (custom) = { a: 1, b: { c: [1, 2]; } };

enum TLConstructor {
	option allow_alias = true;
	reserved 5, 7 to 9;
	CRC32_UNKNOWN = 0;
	CRC32_user = -1132882121;
	CRC32_max = 0x7fffffff [deprecated = true];
}

// User <--
message User {
    string predicate_name = 1;
    TLConstructor  constructor = 2;
    google.protobuf.StringValue first_name = 3 [deprecated = true, (x).y = { z: "]" }];
    repeated .mtproto.User friends = 4;
    reserved "old", 'older';
    message Inner { enum Kind { A = 0; } bytes data = 1; }
    bytes message = 100;;
}
message WithOneof { oneof one { int32 a = 1; int64 b = 2; } int32 c = 3; }
message WithMap { map<string, int32> m = 1; }
message WithOptional { optional int32 a = 1; }
extend google.protobuf.MessageOptions { string my = 50000; }

service RPCUsers {
    option deprecated = true;
    // users.get
    rpc users_get(TL_users_get) returns (Vector_User);
    rpc watch (stream TL_users_get) returns (stream .mtproto.User) { option (http) = { get: "/" }; }
    rpc last(A) returns (B) {}
}
`

func TestParse(t *testing.T) {
	f, err := protofile.Parse([]byte(sample))
	require.NoError(t, err)
	require.Equal(t, "proto3", f.Syntax)
	require.Equal(t, "mtproto", f.Package)
	require.Equal(t, []protofile.Enum{
		{Name: "TLConstructor", Line: 11, Values: []protofile.Value{
			{Name: "CRC32_UNKNOWN"}, {Name: "CRC32_user", Number: -1132882121}, {Name: "CRC32_max", Number: 1<<31 - 1},
		}},
		{Name: "User.Inner.Kind", Line: 26, Values: []protofile.Value{{Name: "A"}}},
	}, f.Enums)
	byName := map[string]protofile.Message{}
	for _, m := range f.Messages {
		byName[m.Name] = m
	}
	require.Len(t, byName, 5)
	require.Equal(t, protofile.Message{Name: "User", Line: 20, Fields: []protofile.Field{
		{Number: 1, Name: "predicate_name", Type: "string"},
		{Number: 2, Name: "constructor", Type: "TLConstructor"},
		{Number: 3, Name: "first_name", Type: "google.protobuf.StringValue"},
		{Number: 4, Name: "friends", Type: ".mtproto.User", Repeated: true},
		{Number: 100, Name: "message", Type: "bytes"},
	}}, byName["User"])
	require.Equal(t, "bytes", byName["User.Inner"].Fields[0].Type)
	require.Equal(t, "oneof", byName["WithOneof"].Beyond)
	require.Equal(t, "map", byName["WithMap"].Beyond)
	require.Equal(t, "optional", byName["WithOptional"].Beyond)
	require.Equal(t, []protofile.Service{{Name: "RPCUsers", RPCs: []protofile.RPC{
		{Name: "users_get", Request: "TL_users_get", Response: "Vector_User"},
		{Name: "watch", Request: "TL_users_get", Response: ".mtproto.User", Streams: true},
		{Name: "last", Request: "A", Response: "B"},
	}}}, f.Services)
}

func TestParseRejects(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"word":            {"\nmesage A {}", `line 2: "mesage" does not begin a definition`},
		"string":          {"import \"a\n\";", "line 1: string does not end"},
		"string at end":   {`import "a\`, "string does not end"},
		"comment":         {"\n/* a\n\n", "line 2: comment does not end"},
		"character":       {"message \x01 {}", `line 1: character '\x01'`},
		"message's end":   {"message A { int32 a = 1;", `want a name, have ""`},
		"message's name":  {"message 1A {}", "want a name"},
		"dotted name":     {"message A.B {}", "want a name"},
		"field number":    {"message A { int32 a = 0; }", "want a number in 1.."},
		"number too high": {"message A { int32 a = 536870912; }", "want a number"},
		"number twice":    {"message A { int32 a = 1; int32 b = 1; }", "a and b collide"},
		"name twice":      {"message A { int32 a = 1; int32 a = 2; }", "a and a collide"},
		"semicolon":       {"message A { int32 a = 1 }", `want ";"`},
		"options' end":    {"message A { int32 a = 1 [b = 2", "inside options"},
		"statement's end": {"option a = 1", "inside a statement"},
		"enum value":      {"enum A { a = 4294967296; }", "want a number"},
		"service":         {"service A { message B {} }", "want rpc"},
		"rpc":             {"service A { rpc a(B) return (C); }", `want "returns"`},
		"deep messages":   {strings.Repeat("message A { ", 40), "nested too deep"},
		"deep option":     {"option a = " + strings.Repeat("{ ", 40), "nested too deep"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := protofile.Parse([]byte(c.text))
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := protofile.Parse(make([]byte, 65<<20))
	require.ErrorContains(t, err, "MiB")
}

// Any text is a file or an error, and what was read of it, written again, is the same.
func FuzzParseProto(f *testing.F) {
	f.Add(sample)
	f.Add("message A { message B { } .a.b c = 1; }")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := protofile.Parse([]byte(text))
		if err != nil {
			return
		}
		for _, m := range file.Messages {
			if m.Beyond != "" {
				continue
			}
			again, err := protofile.Parse([]byte(print(m)))
			require.NoError(t, err, print(m))
			require.Len(t, again.Messages, 1)
			require.Equal(t, m.Fields, again.Messages[0].Fields)
		}
	})
}

func print(m protofile.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "message M {\n")
	for _, f := range m.Fields {
		if f.Repeated {
			b.WriteString("repeated ")
		}
		fmt.Fprintf(&b, "%s %s = %d;\n", f.Type, f.Name, f.Number)
	}
	b.WriteString("}")
	return b.String()
}
