package sessions

// SetWindow makes a revocation read fewer sessions at a time.
func (m *Manager) SetWindow(rows int) { m.window = rows }
