package sess

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// source is how a comment says where a behaviour comes from: a rule of
// docs/rules.md, a page of core.telegram.org, or a section of PEERS.md.
var (
	source  = regexp.MustCompile(`[Rr]ules? [A-Z]+-\d+|core\.telegram\.org/|PEERS\.md, "`)
	section = regexp.MustCompile(`PEERS\.md, ("[^"]+"(?: and "[^"]+")*)`)
	handler = regexp.MustCompile(`\.on[A-Z]`)
)

// machinery is what no page speaks of.
var machinery = map[string]string{
	"New": theMachine, "MainAuthWrapper.Step": theMachine,
	"Input": theMachine, "Result": theMachine, "CallDone": theMachine, "Adopt": theMachine, "Tick": theMachine, "Drain": theMachine,
	"HandOff": theMachine, "Stay": theMachine, "MainAuthWrapper.onHandOff": theMachine, "Arrived": theMachine, "Import": theMachine, "Outcome": theMachine, "FromOutcome": theMachine, "MainAuthWrapper.onArrived": theMachine,
	"Effects": theMachine, "Room": theMachine, "Effects.Reset": theMachine, "Request": theMachine, "Call": theMachine, "Ticket": theMachine, "Slot": theMachine,
	"MainAuthWrapper.onCallDone": theMachine,

	"Config": settings, "Config.SetDefaults": settings, "Config.Validate": settings, "Limits": settings, "Limits.SetDefaults": settings,
	"LimitError": settings, "LimitError.Error": settings,

	"Counter": looks, "Counter.String": looks, "Count": looks, "Fault": looks,
	"View": looks, "SessionView": looks, "MainAuthWrapper.Inspect": looks,
	"Description": looks, "TransportKeyView": looks, "SessionDescribed": looks, "WindowView": looks, "OutboxView": looks,
	"CallsView": looks, "CallView": looks, "MainAuthWrapper.Describe": looks,
	"EndReason": looks, "EndReason.String": looks, "Ended": looks, "Trace": looks,
}

const (
	theMachine = "how a state machine is driven"
	settings   = "its fields name theirs"
	looks      = "for who watches"
)

// Every exported type and function, and every handler (a function named on...),
// names its source. Constants are values of such a type.
func TestSources(t *testing.T) {
	peers, err := os.ReadFile("../../../../../proto/PEERS.md")
	require.NoError(t, err)
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	files := token.NewFileSet()
	excused := map[string]bool{}
	check := func(name string, at token.Pos, docs ...*ast.CommentGroup) {
		if !ast.IsExported(name[strings.IndexByte(name, '.')+1:]) && !handler.MatchString(name) {
			return
		}
		text := ""
		for _, d := range docs {
			text += " " + strings.Join(strings.Fields(d.Text()), " ")
		}
		for _, cited := range section.FindAllStringSubmatch(text, -1) {
			for _, title := range strings.Split(cited[1], " and ") {
				require.Contains(t, string(peers), "# "+strings.Trim(title, `"`)+"\n", "%s cites a section that PEERS.md lacks", name)
			}
		}
		switch {
		case source.MatchString(text):
		case machinery[name] != "":
			excused[name] = true
		default:
			t.Errorf("%s: %s names no source", files.Position(at), name)
		}
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				check(nameOf(d), d.Pos(), d.Doc)
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if s, ok := s.(*ast.TypeSpec); ok {
						check(s.Name.Name, s.Pos(), s.Doc, d.Doc)
					}
				}
			}
		}
	}
	for name := range machinery {
		require.True(t, excused[name], "%s needs no excuse (any more)", name)
	}
}

// nameOf is Func or Receiver.Method.
func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	return t.(*ast.Ident).Name + "." + f.Name.Name
}
