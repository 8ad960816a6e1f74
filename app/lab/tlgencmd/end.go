package tlgencmd

import (
	"cmp"
	"slices"
)

// unwritten is a version of a constructor that the release does not register, while it registers another one.
type unwritten struct {
	*version
	newest int // the newest layer for which a registered version is written; 0: there is none
}

// end ends the set at the last layer that the release has. TL schemas, those of a base among them, may go on to later ones;
// clients of these get the constructors of the last layer. If the set went on, it would have nothing to write to them in the
// place of constructors whose later version the release does not have, and calls that are answered with one would fail.
//
// The first layer that the release lacks is the first in which a constructor has a version that is not registered, while
// older ones are and newer ones are not: a release that registers a newer one has the later layers.
func (b *builder) end(all []*version, schemas []tlFile) {
	missing := b.unwritten(all)
	next := 0
	for _, u := range missing {
		if l := u.beyond(); l > 0 && (next == 0 || l < next) {
			next = l
		}
	}
	newest := schemas[len(schemas)-1].layer
	b.rep.newest, b.rep.next, b.set.MaxLayer = newest, next, newest
	if next > 0 { // layers that no schema tells of repeat the one before them
		i, _ := slices.BinarySearchFunc(schemas, next, func(f tlFile, layer int) int { return cmp.Compare(f.layer, layer) })
		b.set.MaxLayer = schemas[i-1].layer
	}
	for _, u := range missing {
		list := &b.rep.gaps
		switch u.beyond() {
		case 0:
		case next:
			list = &b.rep.inTheWay
		default:
			list = &b.rep.later
		}
		b.rep.add(list, "%s#%08x: layers %s", u.def.Name, u.def.ID, u.layers)
	}
	b.clip()
}

// clip takes the layers behind the end off the constructors. Those of methods stay: they say what is public, and any version is
// accepted.
func (b *builder) clip() {
	for i := range b.set.Constructors {
		c := &b.set.Constructors[i]
		clipped := c.Layers.Clip(b.set.MinLayer, b.set.MaxLayer)
		if len(clipped) == 0 && len(c.Layers) > 0 {
			b.rep.add(&b.rep.early, "%s#%08x: layers %s", c.Predicate, c.ID, c.Layers)
		}
		c.Layers = clipped
	}
}

// unwritten finds the versions that are not registered, of constructors that the set has.
func (b *builder) unwritten(all []*version) (out []unwritten) {
	newest := map[string]int{}
	for i := range b.set.Constructors {
		c := &b.set.Constructors[i]
		newest[c.Predicate] = max(newest[c.Predicate], c.Layers.Newest())
	}
	for _, v := range all {
		d := &v.def
		if _, registered := b.w.ids[d.ID]; registered || d.Method || len(v.layers) == 0 {
			continue
		}
		if n, known := newest[b.predicate(d)]; known {
			out = append(out, unwritten{v, n})
		}
	}
	return out
}

// beyond is the first layer of the version behind all layers for which another one is written; 0 when there is none.
func (u *unwritten) beyond() int {
	for _, r := range u.layers {
		if u.newest > 0 && r.Last > u.newest {
			return max(r.First, u.newest+1)
		}
	}
	return 0
}
