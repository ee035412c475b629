"""Does a command trace keep a device's rules? A judge that shares no code with the engine.

Rules are rows of tables (`families`, one file a family), resolved to cycles for a device (`resolve`) and held against
the commands one by one (`kernel`): every distance looks back at the last command it could be too close to.
"""
