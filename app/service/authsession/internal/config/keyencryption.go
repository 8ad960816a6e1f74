package config

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/service/authsession/internal/keyseal"
)

// KeyEncryption names the keys that encrypt the auth keys in MySQL and in the
// cache. A key is 32 bytes, written as 64 hexadecimal digits or in base64, in
// a file or in an environment variable.
type KeyEncryption struct {
	File string `json:",optional"`
	Env  string `json:",optional"` // the variable's name
	// Previous keys are for reading alone: of a rotation; or, where no other
	// is named, of an encryption that is about to begin or has ended.
	PreviousFile string `json:",optional"`
	PreviousEnv  string `json:",optional"`
}

// Sealer returns what encrypts auth keys; its error names the key of the
// configuration, and nothing of the key it leads to.
func (k KeyEncryption) Sealer() (*keyseal.Sealer, error) {
	current, err := readKey("", k.File, k.Env)
	if err != nil {
		return nil, err
	}
	previous, err := readKey("Previous", k.PreviousFile, k.PreviousEnv)
	if err != nil {
		return nil, err
	}
	s, err := keyseal.New(current, previous)
	if err != nil {
		return nil, &conf.KeyError{Key: "KeyEncryption", Problem: "names " + err.Error(), Fix: "leave the previous key out, or name the one that was in use before"}
	}
	return s, nil
}

// readKey returns nil when neither a file nor a variable is named.
func readKey(prefix, file, variable string) ([]byte, error) {
	const fix = "make a key with: openssl rand -hex 32"
	key, text := "KeyEncryption."+prefix+"File", ""
	switch {
	case file == "" && variable == "":
		return nil, nil
	case file != "" && variable != "":
		return nil, &conf.KeyError{Key: key, Problem: "and " + prefix + "Env are both set", Fix: "keep one of them"}
	case file != "":
		content, err := conf.ReadSecret(file)
		if err != nil {
			return nil, &conf.KeyError{Key: key, Problem: fmt.Sprintf("cannot be read (%v)", err), Fix: fix}
		}
		text = string(content)
	default:
		key = "KeyEncryption." + prefix + "Env"
		var set bool
		if text, set = os.LookupEnv(variable); !set {
			return nil, &conf.KeyError{Key: key, Problem: "names " + variable + ", which is not set", Fix: fix}
		}
	}
	text = strings.TrimSpace(text)
	for _, decode := range []func(string) ([]byte, error){hex.DecodeString, base64.StdEncoding.DecodeString} {
		if b, err := decode(text); err == nil && len(b) == keyseal.KeySize {
			return b, nil
		}
	}
	return nil, &conf.KeyError{Key: key, Problem: "holds no key of 32 bytes in hexadecimal digits or base64", Fix: fix}
}
