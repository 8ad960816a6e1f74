package tlset_test

import (
	"fmt"

	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// The text form of a table set tells which constructor a release writes for which layers.
func ExampleParse() {
	set, err := tlset.Parse([]byte(sample))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range set.Constructors {
		if c.Predicate == "user" {
			fmt.Printf("%s#%08x, layers %v, in message %s\n", c.Predicate, c.ID, c.Layers, tlset.MessageName(c.Type))
		}
	}
	// Output:
	// user#00000002, layers 150-223, in message User
	// user#00000001, layers 139-142,144, in message User
}
