package ctl

import (
	"context"
	"flag"
	"io"
	"slices"
	"strings"
	"text/template"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
)

// completion prints a script that makes a shell complete commands and flags. It is
// made of the commands themselves.
func completion(_ context.Context, r *request) error {
	others, err := r.parse()
	if err != nil {
		return err
	}
	if len(others) != 1 || shells[others[0]] == nil {
		return misuse("name a shell: bash, zsh or fish")
	}
	var list []completed
	for _, c := range commands() {
		list = append(list, completed{Name: c.name, About: c.about, Flags: flagsOf(c, r.getenv)})
	}
	return shells[others[0]].Execute(r.stdout, struct {
		First    []string
		Commands []completed
	}{firstWords(list), list})
}

// completed is a command as a shell completes it.
type completed struct {
	Name, About string
	Flags       []completedFlag
}

type completedFlag struct {
	Name, About string
	Takes       bool // a value follows
	Values      []string
}

// First is the command's first word, and Second the other one, if there is one.
func (c completed) First() string  { return strings.Fields(c.Name)[0] }
func (c completed) Second() string { return strings.Join(strings.Fields(c.Name)[1:], " ") }

// Words are the flags with their dashes.
func (c completed) Words() string {
	words := make([]string, len(c.Flags))
	for i, f := range c.Flags {
		words[i] = f.Dashed()
	}
	return strings.Join(words, " ")
}

// Dashed is the flag as it is typed.
func (f completedFlag) Dashed() string {
	if len(f.Name) == 1 {
		return "-" + f.Name
	}
	return "--" + f.Name
}

// values are those of flags that have few.
var values = map[string][]string{
	"o": {"table", "json"}, "type": device.Types, "sort": {"signed_in", "last_active", "idle"}, "export": {"csv", "ndjson"},
	"strategy": {"none", "limit", "limit-per-device-type", "one-per-device-type", "one"}, "scope": scopeWords(),
}

func scopeWords() []string {
	words := make([]string, len(token.Scopes))
	for i, s := range token.Scopes {
		words[i] = string(s)
	}
	return words
}

// flagsOf are the flags that a command defines before it parses --help.
func flagsOf(c command, getenv func(string) string) (list []completedFlag) {
	v := &invocation{getenv: getenv, stdout: io.Discard, stderr: io.Discard}
	r := newRequest(v, c, []string{"--help"})
	_ = c.run(context.Background(), r)
	r.VisitAll(func(f *flag.Flag) {
		b, isBool := f.Value.(interface{ IsBoolFlag() bool })
		_, about := flag.UnquoteUsage(f)
		one := completedFlag{Name: f.Name, About: strings.NewReplacer("'", "", "[", "(", "]", ")", ":", " -").Replace(about), Takes: !isBool || !b.IsBoolFlag()}
		if one.Takes && (f.Name != "type" || c.name != "events") {
			one.Values = values[f.Name]
		}
		list = append(list, one)
	})
	return list
}

func firstWords(list []completed) (words []string) {
	for _, c := range list {
		if !slices.Contains(words, c.First()) {
			words = append(words, c.First())
		}
	}
	return words
}

var functions = template.FuncMap{"join": strings.Join}

var shells = map[string]*template.Template{
	"bash": template.Must(template.New("bash").Funcs(functions).Parse(`# Completion of authsession ctl for bash: source <(authsession ctl completion bash)
_authsession() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=
	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		COMPREPLY=($(compgen -W "ctl cleanup doctor" -- "$cur"))
		return
	fi
	[ "${COMP_WORDS[1]}" = ctl ] || return
	if [ "$COMP_CWORD" = 2 ]; then
		COMPREPLY=($(compgen -W "{{join .First " "}}" -- "$cur"))
		return
	fi
	case "${COMP_WORDS[2]} ${COMP_WORDS[3]} $prev" in
{{- range $c := .Commands}}{{range .Flags}}{{if .Values}}
	"{{$c.First}} {{with $c.Second}}{{.}}{{else}}"*"{{end}} {{.Dashed}}") COMPREPLY=($(compgen -W "{{join .Values " "}}" -- "$cur")); return ;;
{{- end}}{{end}}{{end}}
	esac
	case "${COMP_WORDS[2]} ${COMP_WORDS[3]}" in
{{- range .Commands}}{{if .Second}}
	"{{.Name}}") words="{{.Words}}" ;;
{{- end}}{{end}}
{{- range .Commands}}{{if not .Second}}
	"{{.Name}} "*) words="{{.Words}}" ;;
{{- end}}{{end}}
	esac
	if [ "$COMP_CWORD" = 3 ]; then
		case "${COMP_WORDS[2]}" in
{{- range .Commands}}{{if .Second}}
		{{.First}}) words="$words {{.Second}}" ;;&
{{- end}}{{end}}
		esac
	fi
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _authsession authsession
`)),
	"zsh": template.Must(template.New("zsh").Funcs(functions).Parse(`#compdef authsession
# Completion of authsession ctl for zsh: source <(authsession ctl completion zsh)
_authsession() {
	if (( CURRENT == 2 )); then
		compadd ctl cleanup doctor
		return
	fi
	[[ $words[2] == ctl ]] || return
	if (( CURRENT == 3 )); then
		compadd {{join .First " "}}
		return
	fi
	case "$words[3] $words[4] $words[CURRENT-1]" in
{{- range $c := .Commands}}{{range .Flags}}{{if .Values}}
	"{{$c.First}} {{with $c.Second}}{{.}}{{else}}"*"{{end}} {{.Dashed}}") compadd -- {{join .Values " "}}; return ;;
{{- end}}{{end}}{{end}}
	esac
	case "$words[3] $words[4]" in
{{- range .Commands}}{{if .Second}}
	"{{.Name}}") compadd -- {{.Words}}; return ;;
{{- end}}{{end}}
{{- range .Commands}}{{if not .Second}}
	"{{.Name}} "*) compadd -- {{.Words}} ;;
{{- end}}{{end}}
	esac
	if (( CURRENT == 4 )); then
		case "$words[3]" in
{{- range .Commands}}{{if .Second}}
		{{.First}}) compadd -- {{.Second}} ;|
{{- end}}{{end}}
		esac
	fi
}
if [[ $funcstack[1] == _authsession ]]; then _authsession "$@"; else compdef _authsession authsession; fi
`)),
	"fish": template.Must(template.New("fish").Funcs(functions).Parse(`# Completion of authsession ctl for fish: authsession ctl completion fish | source
function __authsession_ctl
	set -l words (commandline -opc)
	test (count $words) -ge 2; and test $words[2] = ctl; or return 1
	set -l want (string split ' ' -- $argv[1])
	test (count $words) -ge (math 2 + (count $want)); or return 1
	test "$words[3..(math 2 + (count $want))]" = "$argv[1]"
end
function __authsession_is
	set -l words (commandline -opc)
	test "$words[2..-1]" = "$argv[1]"
end
complete -c authsession -n '__fish_use_subcommand' -f -a 'ctl cleanup doctor'
complete -c authsession -n '__authsession_is ctl' -f -a '{{join .First " "}}'
{{- range $c := .Commands}}{{if .Second}}
complete -c authsession -n '__authsession_is "ctl {{.First}}"' -f -a '{{.Second}}' -d '{{.About}}'
{{- end}}{{range .Flags}}
complete -c authsession -n '__authsession_ctl "{{$c.Name}}"' {{if eq (len .Name) 1}}-s{{else}}-l{{end}} {{.Name}}{{if .Takes}} -r{{end}}{{if .Values}} -f -a '{{join .Values " "}}'{{end}} -d '{{.About}}'
{{- end}}{{end}}
`)),
}
