"""Who is told what about an object, written as for Argo's notifications. Each engine says of which objects, and when."""
